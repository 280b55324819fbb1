"""What every request for a job may say, whatever its kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.validation import NOT_EMPTY, Identifier, at_most, default, words
from core.webhooks.events import ENDINGS, EventName


class EngineRequest(BaseModel):
    """The fields that requests of all kinds share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Annotated[str, Field(max_length=100)] | None = Field(
        None, description="Which engine does it; without one, the server's default"
    )
    use: Literal["commercial", "research"] | None = Field(
        None, description="commercial refuses engines whose weights do not allow it"
    )
    callback_url: Annotated[str, Field(max_length=2000)] | None = None
    callback_events: Annotated[
        tuple[EventName, ...], *at_most(16), BeforeValidator(words), *NOT_EMPTY, default(ENDINGS)
    ] = ENDINGS


class JobRequest(EngineRequest):
    """The fields that requests share whose files are their job's, and go with it."""

    model_config = ConfigDict(defer_build=True)  # a cold start need not wait for what its first request may not use

    audio_file_id: Identifier | None = Field(None, description="The folder the files go to; the job's id if left out")
    expires_in_seconds: int | None = Field(None, ge=60, description="How long the files are kept after the job's end")
