"""``Channel`` on Azure Web PubSub. The SDK is imported at the first call, which many a process never makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.azure_identity import credential
from core.errors import ChannelUnavailable
from core.settings import Settings
from core.web_pubsub.address import ServiceAddress

if TYPE_CHECKING:
    from azure.messaging.webpubsubservice import WebPubSubServiceClient

# Live chords are worth nothing once they are late, and progress comes again: short waits, one more try.
_OPTIONS: dict[str, Any] = {"connection_timeout": 3, "read_timeout": 5, "retry_total": 1, "retry_backoff_factor": 0.2}


class AzureChannel:
    """A hub of one Web PubSub resource, by access key or by identity. Safe between threads."""

    def __init__(self, address: ServiceAddress, settings: Settings) -> None:
        self.hub = settings.web_pubsub_hub
        self._address = address
        self._settings = settings

    def send_to_connection(self, connection_id: str, message: dict[str, Any]) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        with _translated_errors(), suppress(ResourceNotFoundError):
            self._client.send_to_connection(connection_id, message, content_type="application/json")

    def send_to_group(self, group: str, message: dict[str, Any]) -> None:
        with _translated_errors():
            self._client.send_to_group(group, message, content_type="application/json")

    def client_url(self, groups: Sequence[str], *, user_id: str, minutes: int) -> str:
        with _translated_errors():
            token = self._client.get_client_access_token(
                user_id=user_id, groups=list(groups), minutes_to_expire=minutes
            )
        return str(token["url"])

    @cached_property
    def _client(self) -> WebPubSubServiceClient:
        from azure.core.credentials import AzureKeyCredential
        from azure.messaging.webpubsubservice import WebPubSubServiceClient

        key = self._address.access_key
        who = AzureKeyCredential(key) if key else credential(self._settings)
        return WebPubSubServiceClient(self._address.endpoint, self.hub, who, **_OPTIONS)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Whatever the service says, our caller can only do without it for now."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except AzureError as error:
        first_line = (str(error.message) or type(error).__name__).splitlines()[0]
        raise ChannelUnavailable(f"Web PubSub: {first_line}") from error
