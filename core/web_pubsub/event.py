"""One event of a client, as Web PubSub hands it on: a CloudEvent in binary mode (CloudEvents HTTP binding 1.0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.errors import FieldError, InvalidRequest

SYSTEM = "azure.webpubsub.sys."
USER = "azure.webpubsub.user."


@dataclass(frozen=True)
class Event:
    """What a client did.

    Attributes:
        type: ``azure.webpubsub.sys.connect``, ``….connected``, ``….disconnected`` or ``azure.webpubsub.user.<name>``.
        content_type: of ``body``: ``application/json``, ``text/plain`` or ``application/octet-stream``.
        subprotocol: what the client speaks; empty for one that sends and gets bare messages.
        signature: of a service that is reached by key; may be empty.
        authorization: of a service that is reached by identity; may be empty.
    """

    type: str
    hub: str
    connection_id: str
    content_type: str
    body: bytes = field(repr=False)
    subprotocol: str = ""
    signature: str = field(default="", repr=False)
    authorization: str = field(default="", repr=False)

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> Event:
        """Read an event; ``headers`` compare without case. Raises ``InvalidRequest`` if one is missing."""
        missing = [name for name in ("ce-type", "ce-hub", "ce-connectionid") if not headers.get(name)]
        if missing:
            raise InvalidRequest([FieldError(name, "is required", "header") for name in missing])
        return cls(
            type=headers["ce-type"],
            hub=headers["ce-hub"],
            connection_id=headers["ce-connectionid"],
            content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
            body=body,
            subprotocol=headers.get("ce-subprotocol", ""),
            signature=headers.get("ce-signature", ""),
            authorization=headers.get("authorization", ""),
        )

    @property
    def message(self) -> str | bytes:
        """What the client sent: bytes if it says so, text or JSON as text. What is no UTF-8 is bytes as well."""
        if self.content_type == "application/octet-stream":
            return self.body
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            return self.body
