"""What a client asks for when it wants a sound, or many."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.config import JsonDict

from core.audio.effects.request import EffectChain
from core.jobs.request import EngineRequest
from core.soundbank.batch import NoteSelection
from core.soundbank.rows import MOST_TAGS
from core.theory.fretboard import InstrumentName
from core.theory.techniques import Articulation, Technique, contradictions
from core.validation import NO_DUPLICATES, NOT_EMPTY, Between, ModelName, at_most, default, words

LONGEST_SECONDS = 30.0
_LONGEST_RETENTION_SECONDS = 10 * 365 * 86400


def _playable(techniques: tuple[str, ...]) -> tuple[str, ...]:
    if pairs := contradictions(techniques):
        raise ValueError("; ".join(f"{one} and {other} exclude each other" for one, other in pairs))
    return techniques


def _name_or_notes(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """One error for the field, where pydantic has one for each kind of value that would have fitted."""
    try:
        return handler(value)
    except ValidationError:
        raise ValueError("must be a tuning's name, or a list of the notes of the open strings") from None


Tag = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
Tags = Annotated[tuple[Tag, ...], *at_most(MOST_TAGS), BeforeValidator(words), *NO_DUPLICATES]
Techniques = Annotated[
    tuple[Technique, ...], *at_most(16), BeforeValidator(words), *NOT_EMPTY, *NO_DUPLICATES, AfterValidator(_playable)
]
NoteNames = Annotated[tuple[Annotated[str, Field(max_length=4)], ...], *at_most(12), *NOT_EMPTY]
Tuning = Annotated[Annotated[str, Field(max_length=40)] | NoteNames, WrapValidator(_name_or_notes)]

_EXAMPLE: JsonDict = {
    "instrument": "electric_guitar",
    "string": 3,
    "fret": 5,
    "velocity": 0.7,
    "technique": ["pluck", "palm_mute"],
    "style_prompt": "crunchy rock tone",
    "duration_seconds": 2.0,
}
_BATCH_EXAMPLE: JsonDict = {
    "instrument": "acoustic_guitar",
    "scale": {"root": "A", "name": "minor_pentatonic", "fret_min": 5, "fret_max": 8},
    "velocities": [0.4, 0.8],
    "duration_seconds": 2.0,
    "callback_url": "https://example.org/hook",
}


class SoundOptions(EngineRequest):
    """What requests for one sound and for many have in common."""

    instrument: InstrumentName
    tuning: Annotated[Tuning, default("standard")] = Field(
        "standard", description="A name, such as drop_d or open_g, or the notes of the open strings from the lowest on"
    )
    technique: Annotated[Techniques, default(("pluck",))] = ("pluck",)
    articulation: Annotated[Articulation, default(Articulation())] = Field(
        Articulation(), description="Details of the techniques"
    )
    style_prompt: Annotated[str, Field(max_length=500), default("")] = Field(
        "", description="What it should sound like, in words"
    )
    duration_seconds: Annotated[float, Between(0.1, LONGEST_SECONDS, "seconds"), default(2.0)] = 2.0
    effects: Annotated[EffectChain, default(())] = Field((), description="Applied in order, as POST /v1/effects does")
    model: ModelName | None = Field(None, description="Which of the engine's models; GET /v1/engines lists them")
    random_seed: Annotated[int, Between(0, 2**53, "")] | None = Field(
        None, description="Another seed is another take; without one, equal requests come to the same sound"
    )
    no_cache: Annotated[bool, default(False)] = Field(
        False, description="Make a new take though the bank has this sound"
    )
    tags: Annotated[Tags, default(())] = Field(
        (), description="To find it by: small letters, digits, and . _ -. A sound that the bank has keeps its own"
    )
    expires_in_seconds: Annotated[int, Between(60, _LONGEST_RETENTION_SECONDS, "seconds")] | None = Field(
        None, description="How long the sound is kept at least; for ever if left out"
    )


class SoundRequest(SoundOptions):
    """The JSON body of ``POST /v1/sounds/generate``: one note."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    string: Annotated[int, Between(1, 6, "")] = Field(description="1 is the last of the tuning: a guitar's high E")
    fret: Annotated[int, Between(0, 24, "")] = Field(description="0 is the open string")
    velocity: Annotated[float, Between(0, 1, "(1 is the hardest)"), default(0.8)] = 0.8
    derive: Annotated[bool, default(False)] = Field(
        False, description="Make it from the nearest sound of its kind, if the bank has one"
    )


class SoundBatchRequest(SoundOptions, NoteSelection):
    """The JSON body of ``POST /v1/sounds/batch``: the notes of a list, a region of the fretboard, or a scale."""

    model_config = ConfigDict(json_schema_extra={"examples": [_BATCH_EXAMPLE]})


class SampleChange(BaseModel):
    """The JSON body of ``PATCH /v1/sounds/{sample_id}``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: Tags
