"""``POST /v1/webhooks/test``: lets a developer see a signed delivery before any job is made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from functions.http.dependencies import ServicesDep, require_json

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])


class WebhookTest(BaseModel):
    """Where to send the test."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, Field(max_length=2000)]


class WebhookTestResult(BaseModel):
    """How it went."""

    delivered: bool
    status_code: int | None
    error: str | None = Field(description="What kept it from arriving, or the beginning of an answer that is not 2xx")
    duration_seconds: float
    webhook_id: str


@router.post("/test", dependencies=[Depends(require_json)])
def test_webhook(body: WebhookTest, services: ServicesDep) -> WebhookTestResult:
    """Send a signed `webhook.test` event to an address, once, and say how it went."""
    message_id, outcome = services.deliveries.test(body.url)
    return WebhookTestResult(
        delivered=outcome.delivered,
        status_code=outcome.status_code,
        error=outcome.error,
        duration_seconds=round(outcome.duration_seconds, 3),
        webhook_id=message_id,
    )
