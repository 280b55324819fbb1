"""The emulator's connection string, and who may connect or call it: JSON Web Tokens signed with its access key."""

import base64
import secrets
from dataclasses import dataclass, field
from typing import Any


class TokenRefused(Exception):
    """The token is missing, foreign, expired or meant for another address."""


@dataclass(frozen=True)
class EmulatorAddress:
    """Where one host's emulator is, and its access key, which is drawn anew for each host."""

    endpoint: str
    access_key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode(), repr=False)

    @property
    def connection_string(self) -> str:
        return f"Endpoint={self.endpoint};AccessKey={self.access_key};Version=1.0;"

    def claims(self, token: str, *audiences: str) -> dict[str, Any]:
        """What a valid token for one of these addresses says; raises TokenRefused."""
        import jwt

        options: Any = {"require": ["exp", "aud"]}
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self.access_key, algorithms=["HS256"], audience=audiences, options=options
            )
        except jwt.PyJWTError as error:
            raise TokenRefused(str(error)) from None
        return claims


def bearer(authorization: str) -> str:
    """The token in an Authorization header, or an empty text."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
