"""What a client asks for when it wants stems generated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from core.jobs.request import JobRequest
from core.theory.chords import parse_chord
from core.validation import NO_DUPLICATES, NOT_EMPTY, Between, Identifier, default

StemType = Literal["drums", "bass", "guitar", "vocals", "piano", "synth", "other"]

DEFAULT_CHORDS = ("C", "G", "Am", "F")


def _chord(symbol: str) -> str:
    parse_chord(symbol)
    return symbol


Stems = Annotated[tuple[StemType, ...], *NOT_EMPTY, *NO_DUPLICATES]
Chords = Annotated[tuple[Annotated[str, AfterValidator(_chord)], ...], *NOT_EMPTY, Field(max_length=256)]


class GenerationParameters(BaseModel):
    """How the stems should sound; everything may be left out."""

    model_config = ConfigDict(frozen=True)

    target_bpm: Annotated[float, Between(30, 300, "beats a minute"), default(120.0)] = 120.0
    duration_seconds: Annotated[float, Between(0.5, 600, "seconds"), default(30.0)] = 30.0
    style: Annotated[str, Field(max_length=100), default("pop")] = Field(
        "pop", description="rock, pop, jazz, electronic or ballad have patterns of their own; any other text is allowed"
    )
    chord_progression: Annotated[Chords, default(DEFAULT_CHORDS)] = Field(
        DEFAULT_CHORDS, description="One chord a bar of 4/4, repeated to the end, such as C, Am7, F#m, Gsus4 or D/F#"
    )
    prompt: Annotated[str, Field(max_length=1000), default("")] = Field(
        "", description="What it should sound like, in words; for engines that are steered by text"
    )
    temperature: Annotated[float, Between(0, 2, "(0 is the plain pattern)"), default(1.0)] = 1.0
    random_seed: Annotated[int, Between(-(2**53), 2**53, "")] | None = Field(
        None, description="The same request and seed give the same bytes; without one, one is drawn and returned"
    )


_NO_PARAMETERS = GenerationParameters()


_EXAMPLE: JsonDict = {
    "target_stems": ["guitar", "bass", "drums"],
    "parameters": {
        "target_bpm": 120,
        "duration_seconds": 10,
        "style": "rock",
        "chord_progression": ["C", "G", "Am", "F"],
    },
}


class GenerationRequest(JobRequest):
    """A request for generated stems."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    target_stems: Stems
    parameters: Annotated[GenerationParameters, default(_NO_PARAMETERS)] = _NO_PARAMETERS


class SeedGenerationRequest(BaseModel):
    """The body of ``POST /generate``; what it does not know it passes over, as the first service did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    generation_request_id: Identifier
    audio_file_id: Identifier
    target_stems: Stems
    parameters: Annotated[GenerationParameters, default(_NO_PARAMETERS)] = _NO_PARAMETERS
    callback_url: Annotated[str, Field(max_length=2000)] | None = None

    def modern(self) -> GenerationRequest:
        """The same request in the terms of ``/v1``."""
        return GenerationRequest(
            target_stems=self.target_stems,
            parameters=self.parameters,
            audio_file_id=self.audio_file_id,
            callback_url=self.callback_url or None,
        )
