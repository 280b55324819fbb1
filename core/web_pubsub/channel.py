"""Which channel this installation has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import ChannelUnavailable
from core.ports import Channel
from core.settings import Settings
from core.web_pubsub.address import service_address


class NoChannel:
    """A ``Channel`` where none is set up: every call raises ``ChannelUnavailable``."""

    def __init__(self, hub: str) -> None:
        self.hub = hub

    def send_to_connection(self, connection_id: str, message: dict[str, Any]) -> None:
        raise ChannelUnavailable(_NONE)

    def send_to_group(self, group: str, message: dict[str, Any]) -> None:
        raise ChannelUnavailable(_NONE)

    def client_url(self, groups: Sequence[str], *, user_id: str, minutes: int) -> str:
        raise ChannelUnavailable(_NONE)


_NONE = "no WebSocket service is set up here"


def open_channel(settings: Settings) -> Channel:
    """The Web PubSub service that the settings name; nothing is read from the network before the first call."""
    address = service_address(settings)
    if address is None:
        return NoChannel(settings.web_pubsub_hub)
    from core.web_pubsub.azure import AzureChannel

    return AzureChannel(address, settings)
