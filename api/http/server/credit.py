"""How long a slow client is waited for."""


class Credit:
    """Seconds that a client has, which passing time uses up and bytes earn back: a time-out for silence and dripping.

    Apache's mod_reqtimeout counts in the same way.

    Args:
        seconds: The most that a client can have.
        bytes_per_s: How many bytes earn back one second.
    """

    def __init__(self, seconds: float, bytes_per_s: float) -> None:
        self._seconds = seconds
        self._bytes_per_s = bytes_per_s
        self._until = float("inf")

    def begin(self, now: float) -> None:
        """Give all seconds."""
        self._until = now + self._seconds

    def earn(self, size: int, now: float) -> None:
        self._until = min(self._until + size / self._bytes_per_s, now + self._seconds)

    def used_up(self, now: float) -> bool:
        return now > self._until
