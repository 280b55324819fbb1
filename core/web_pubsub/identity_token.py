"""Events of a service that is reached by identity: it sends an access token of its own managed identity with each.

Web PubSub sends the token once the event handler's authentication is set to its managed identity ("Managed identities
for Azure Web PubSub"). Whoever has an identity in the same tenant can get a token for the same audience, so the
audience alone proves nothing: the token must be that of the service's own identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.errors import ChannelUnavailable, EventNotVerified
from core.web_pubsub.event import Event

if TYPE_CHECKING:
    from jwt import PyJWKClient

SigningKey = Callable[[str], Any]
"""The public key that a token says it was signed with."""


class PublishedKeys:
    """The keys of a Microsoft Entra tenant, read when the first token comes, and again once an unknown one is named."""

    def __init__(self, tenant: str, authority: str = "https://login.microsoftonline.com") -> None:
        self._url = f"{authority}/{tenant}/discovery/v2.0/keys"

    def __call__(self, token: str) -> Any:
        """Raises ``ChannelUnavailable`` if the keys cannot be read."""
        from jwt import PyJWKClientConnectionError

        try:
            return self._client.get_signing_key_from_jwt(token).key
        except PyJWKClientConnectionError as error:
            raise ChannelUnavailable(f"the keys of {self._url} cannot be read: {error}") from error

    @cached_property
    def _client(self) -> PyJWKClient:
        from jwt import PyJWKClient

        return PyJWKClient(self._url, timeout=5)


@dataclass(frozen=True)
class IdentityTokenCheck:
    """Takes events that carry a valid token of the service's managed identity.

    Attributes:
        tenant: the id of the Microsoft Entra tenant that both are in.
        audience: what the event handler's settings name as the token's audience.
        identity: the object id of the service's managed identity.
    """

    tenant: str
    audience: str
    identity: str
    signing_key: SigningKey

    def verify(self, event: Event) -> None:
        scheme, _, token = event.authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise EventNotVerified(
                "the event carries no token; let the event handler use the service's managed identity"
            )
        if self._claims(token.strip()).get("oid") != self.identity:
            raise EventNotVerified("the event's token is not that of WEB_PUBSUB_IDENTITY")

    def _claims(self, token: str) -> dict[str, Any]:
        import jwt

        issuers = [f"https://sts.windows.net/{self.tenant}/", f"https://login.microsoftonline.com/{self.tenant}/v2.0"]
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self.signing_key(token),
                algorithms=["RS256"],
                audience=self.audience,
                issuer=issuers,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise EventNotVerified(f"the event's token does not hold: {error}") from error
        return claims
