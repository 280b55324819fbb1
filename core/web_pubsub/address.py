"""Where the Web PubSub service is, and whether it is reached by key or by identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from core.addresses import connection_parts
from core.settings import Settings


@dataclass(frozen=True)
class ServiceAddress:
    """One Web PubSub resource.

    Attributes:
        endpoint: ``https://<name>.webpubsub.azure.com``, without a slash at its end.
        access_key: ``None`` where the service is reached by identity.
    """

    endpoint: str
    access_key: str | None = field(default=None, repr=False)

    @property
    def host(self) -> str:
        """What the service calls itself when it asks whether its events are welcome."""
        return urlsplit(self.endpoint).hostname or ""


def service_address(settings: Settings) -> ServiceAddress | None:
    """The service that the settings name, or ``None``."""
    if settings.web_pubsub_connection:
        parts = connection_parts(settings.web_pubsub_connection)
        return ServiceAddress(parts["endpoint"].rstrip("/"), parts["accesskey"])
    if settings.web_pubsub_endpoint:
        return ServiceAddress(settings.web_pubsub_endpoint.rstrip("/"))
    return None
