"""How this installation tells the service's events from others'."""

from __future__ import annotations

from core.web_pubsub.address import ServiceAddress
from core.web_pubsub.identity_token import IdentityTokenCheck, PublishedKeys
from core.web_pubsub.signature import EventCheck, NoCheck, SignatureCheck

_NO_SERVICE = "no Web PubSub is set up here: set WEB_PUBSUB_CONNECTION or WEB_PUBSUB_ENDPOINT"
_NO_IDENTITY = (
    "events of a service that is reached by identity can be told from others by its token alone: set"
    " WEB_PUBSUB_TENANT, WEB_PUBSUB_AUDIENCE and WEB_PUBSUB_IDENTITY, or WEB_PUBSUB_CONNECTION"
)


def open_event_check(
    address: ServiceAddress | None, *, tenant: str = "", audience: str = "", identity: str = ""
) -> EventCheck:
    """By the access key if there is one, else by the token of the service's identity; else every event is refused."""
    if address is None:
        return NoCheck(_NO_SERVICE)
    if address.access_key:
        return SignatureCheck((address.access_key,))
    if tenant and audience and identity:
        return IdentityTokenCheck(tenant, audience, identity, PublishedKeys(tenant))
    return NoCheck(_NO_IDENTITY)
