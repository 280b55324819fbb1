"""What a client asks for when it wants stems generated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from core.theory.chords import parse_chord
from core.validation import Between, Identifier
from core.webhooks.events import ENDINGS, EventName

StemType = Literal["drums", "bass", "guitar", "vocals", "piano", "synth", "other"]

DEFAULT_CHORDS = ("C", "G", "Am", "F")


def _chord(symbol: str) -> str:
    parse_chord(symbol)
    return symbol


def _not_empty(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("must name at least one")
    return values


def _without_duplicates(stems: tuple[StemType, ...]) -> tuple[StemType, ...]:
    repeated = [stem for index, stem in enumerate(stems) if stem in stems[:index]]
    if repeated:
        raise ValueError(f"each stem may be named once; {', '.join(dict.fromkeys(repeated))} comes again")
    return stems


def _default(value: object) -> BeforeValidator:
    """``null`` means the default: several of the older clients send every field they know."""
    return BeforeValidator(lambda given: value if given is None else given)


# Not min_length: it counts only the elements that fit, and so would complain a second time about one that does not.
_NOT_EMPTY = (AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1}))

_NO_DUPLICATES = (AfterValidator(_without_duplicates), Field(json_schema_extra={"uniqueItems": True}))

Stems = Annotated[tuple[StemType, ...], *_NOT_EMPTY, *_NO_DUPLICATES]
Chords = Annotated[tuple[Annotated[str, AfterValidator(_chord)], ...], *_NOT_EMPTY, Field(max_length=256)]


class GenerationParameters(BaseModel):
    """How the stems should sound; everything may be left out."""

    model_config = ConfigDict(frozen=True)

    target_bpm: Annotated[float, Between(30, 300, "beats a minute"), _default(120.0)] = 120.0
    duration_seconds: Annotated[float, Between(0.5, 600, "seconds"), _default(30.0)] = 30.0
    style: Annotated[str, Field(max_length=100), _default("pop")] = Field(
        "pop", description="rock, pop, jazz, electronic or ballad have patterns of their own; any other text is allowed"
    )
    chord_progression: Annotated[Chords, _default(DEFAULT_CHORDS)] = Field(
        DEFAULT_CHORDS, description="One chord a bar of 4/4, repeated to the end, such as C, Am7, F#m, Gsus4 or D/F#"
    )
    prompt: Annotated[str, Field(max_length=1000), _default("")] = Field(
        "", description="What it should sound like, in words; for engines that are steered by text"
    )
    temperature: Annotated[float, Between(0, 2, "(0 is the plain pattern)"), _default(1.0)] = 1.0
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


class GenerationRequest(BaseModel):
    """A request for generated stems."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    target_stems: Stems
    parameters: Annotated[GenerationParameters, _default(_NO_PARAMETERS)] = _NO_PARAMETERS
    engine: str | None = Field(None, description="Which engine makes them; synth unless the server is set up otherwise")
    use: Literal["commercial", "research"] | None = Field(
        None, description="commercial refuses engines whose weights do not allow it"
    )
    audio_file_id: Identifier | None = Field(None, description="The folder the files go to; the job's id if left out")
    callback_url: Annotated[str, Field(max_length=2000)] | None = None
    callback_events: Annotated[tuple[EventName, ...], *_NOT_EMPTY] = ENDINGS
    expires_in_seconds: int | None = Field(None, ge=60, description="How long the files are kept after the job's end")


class SeedGenerationRequest(BaseModel):
    """The body of ``POST /generate``; what it does not know it passes over, as the first service did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    generation_request_id: Identifier
    audio_file_id: Identifier
    target_stems: Stems
    parameters: Annotated[GenerationParameters, _default(_NO_PARAMETERS)] = _NO_PARAMETERS
    callback_url: Annotated[str, Field(max_length=2000)] | None = None

    def modern(self) -> GenerationRequest:
        """The same request in the terms of ``/v1``."""
        return GenerationRequest(
            target_stems=self.target_stems,
            parameters=self.parameters,
            audio_file_id=self.audio_file_id,
            callback_url=self.callback_url or None,
        )
