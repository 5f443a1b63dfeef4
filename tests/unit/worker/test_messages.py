"""What a worker does with messages when its broker goes away."""

from typing import Any

from kombu.transport.redis import Channel

import worker.process.messages  # noqa: F401  # what it sets is what is tested


def test_acknowledgement_on_a_closed_channel_is_dropped() -> None:
    channel: Any = object.__new__(Channel)
    channel.connection = None
    channel.basic_ack("a tag")
