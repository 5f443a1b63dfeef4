"""All connections of a server: how many there may be, together and of one address, and which of them to give up."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol as Shape

from pydantic import IPvAnyNetwork

from api.http.callers import network_of
from api.http.server import descriptors

log = logging.getLogger(__name__)

MOST = 4096
"""Connections at a time, where there are descriptors for them."""
_RESERVED = 256
"""Descriptors for everything else: stores, temporary files, libraries."""
_SAID_EVERY_S = 10


class Member(Shape):
    """A connection, as the others are concerned."""

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""

    def give_up(self) -> None:
        """Close at once, in favour of another one."""

    def check(self, now: float) -> str | None:
        """Close if the client's time is over; return why, or `None`."""


@dataclass
class Connections:
    """The open connections, the oldest first.

    Args:
        per_address: The most of one address (of IPv6, one /64 network).
        proxies: Networks whose addresses stand for many clients, and have no such bound.
    """

    per_address: int
    proxies: Sequence[IPvAnyNetwork]
    _open: dict[Member, str | None] = field(default_factory=dict)
    _of: dict[str, dict[Member, None]] = field(default_factory=dict)
    _closed: Counter[str] = field(default_factory=Counter)
    _said: float = float("-inf")

    def __len__(self) -> int:
        return len(self._open)

    def admit(self, member: Member, address: str | None) -> bool:
        """Add a connection; return whether there is room for it, if need be in place of an idle one."""
        network = network_of(address, self.proxies) if address is not None else None
        self._open[member] = network
        room = True
        if network is not None:
            own = self._of.setdefault(network, {})
            own[member] = None
            room = len(own) <= self.per_address or self._make_room(own, member)
        # Half of the descriptors, because a request may need another one, for a file of its body.
        most = min(MOST, (descriptors.limit() - _RESERVED) // 2)
        if room and len(self._open) > most:
            room = self._make_room(self._open, member)
        if not room:
            self._closed["there were too many"] += 1
        return room

    def leave(self, member: Member) -> None:
        network = self._open.pop(member, None)
        if network is not None:
            own = self._of[network]
            del own[member]
            if not own:
                del self._of[network]

    def check(self, now: float) -> None:
        """Close those whose time is over, and log how many were closed and why."""
        for member in list(self._open):
            if why := member.check(now):
                self._closed[why] += 1
        if self._closed and now - self._said >= _SAID_EVERY_S:
            reasons = ", ".join(f"{count:,} because {why}" for why, count in self._closed.items())
            log.warning("connections were closed: %s; %s are open", reasons, f"{len(self._open):,}")
            self._closed.clear()
            self._said = now

    def _make_room(self, among: dict[Member, None] | dict[Member, str | None], newest: Member) -> bool:
        """Give up the oldest connection without a request; return whether there was one."""
        for member in among:
            if member.idle and member is not newest:
                self.leave(member)
                member.give_up()
                self._closed["others came"] += 1
                return True
        return False
