"""Signatures as the Standard Webhooks specification 1.0 describes them."""

from __future__ import annotations

from datetime import UTC, datetime


def signed_headers(secrets: tuple[str, ...], message_id: str, now: datetime, body: str) -> dict[str, str]:
    """The three headers of a signed delivery; one signature a secret, so that receivers can rotate.

    Without any secret the delivery is unsigned, and carries the id and timestamp alone.
    """
    headers = {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
    if secrets:
        headers["webhook-signature"] = " ".join(_sign(secret, message_id, now, body) for secret in secrets)
    return headers


def _sign(secret: str, message_id: str, now: datetime, body: str) -> str:
    from standardwebhooks import Webhook  # costs import time that the http role spends only when it delivers

    return str(Webhook(secret).sign(message_id, now.astimezone(UTC), body))
