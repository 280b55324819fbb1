"""Which events are the service's own.

By access key, each event carries ``ce-signature``: HMAC-SHA256 of the connection's id under the primary and the
secondary key, in hexadecimal (Azure Web PubSub, "CloudEvents extension for event handlers"). It says nothing of the
body, so that whoever reads one event could forge others of that connection: the handler must be reached by https.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Protocol

from core.errors import EventNotVerified
from core.web_pubsub.event import Event


class EventCheck(Protocol):
    """Tells the service's events from others'."""

    def verify(self, event: Event) -> None:
        """Return if the service sent it. Raises ``EventNotVerified``, or ``ChannelUnavailable`` if nobody can tell."""
        ...


def signature(connection_id: str, *access_keys: str) -> str:
    """What ``ce-signature`` says: ``sha256=<hexadecimal>`` for each key, separated by commas."""
    return ",".join(
        "sha256=" + hmac.new(key.encode(), connection_id.encode(), hashlib.sha256).hexdigest() for key in access_keys
    )


@dataclass(frozen=True)
class SignatureCheck:
    """For a service that is reached by access key: one of the event's signatures must be made with one of ours."""

    access_keys: tuple[str, ...] = field(repr=False)

    def verify(self, event: Event) -> None:
        given = [part.strip().encode() for part in event.signature.split(",")]
        expected = [signature(event.connection_id, key).encode() for key in self.access_keys]
        if not any(hmac.compare_digest(ours, theirs) for ours in expected for theirs in given):
            raise EventNotVerified("ce-signature was not made with this hub's access key")


@dataclass(frozen=True)
class NoCheck:
    """For an installation that has no means to tell: every event is refused."""

    reason: str

    def verify(self, event: Event) -> None:
        raise EventNotVerified(self.reason)
