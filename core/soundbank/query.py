"""What a client may ask of the sounds there are, and whether a sound is what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from core.errors import FieldError, InvalidRequest
from core.soundbank.request import Tag, Tuning
from core.soundbank.rows import MOST_TAGS, MOST_WORDS, cents_of, words_of
from core.soundbank.sample import Sample
from core.theory.fretboard import INSTRUMENTS, InstrumentName
from core.theory.notes import parse_note
from core.theory.techniques import Technique, canonical, contradictions
from core.validation import NOT_EMPTY, Between, Identifier, ModelName, at_most, default, words

Sort = Literal["position", "newest", "pitch"]

_LONGEST_SECONDS = 600


def _note_number(value: object) -> object:
    return parse_note(value) if isinstance(value, str) else value


Note = Annotated[
    int,
    Between(0, 127, ""),
    BeforeValidator(_note_number),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 127}]}),
]
Techniques = Annotated[
    tuple[Technique, ...], *at_most(16), BeforeValidator(words), *NOT_EMPTY, AfterValidator(canonical)
]
Tags = Annotated[tuple[Tag, ...], *at_most(MOST_TAGS), BeforeValidator(words), *NOT_EMPTY]
Velocity = Annotated[float, Between(0, 1, "")]
Fret = Annotated[int, Between(0, 24, "")]
Seconds = Annotated[float, Between(0, _LONGEST_SECONDS, "seconds")]

_EXAMPLE: JsonDict = {
    "instrument": "electric_guitar",
    "string": 3,
    "fret": 5,
    "technique": ["pluck"],
    "limit": 10,
}


class SoundQuery(BaseModel):
    """The JSON body of ``POST /v1/sounds/search``: a sound must fit everything that is given."""

    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    instrument: InstrumentName | None = None
    string: Annotated[int, Between(1, 6, "")] | None = Field(None, description="1 is a guitar's high E")
    fret: Fret | None = Field(None, description="0 is the open string")
    fret_min: Fret | None = None
    fret_max: Fret | None = None
    note_min: Note | None = Field(
        None, description="The lowest note that sounds, to the nearest semitone: its name, such as E2, or MIDI number"
    )
    note_max: Note | None = Field(None, description="The highest")
    technique: Techniques | None = Field(None, description="It is played with all of them; pluck fits every sound")
    text: Annotated[str, Field(max_length=500)] | None = Field(
        None,
        description="Its style_prompt has all these words, in any order and case; words are of two letters or digits "
        f"at least, and the first {MOST_WORDS} of a style_prompt count",
    )
    tags: Tags | None = Field(None, description="It has all of them")
    velocity: Velocity | None = None
    velocity_min: Velocity | None = None
    velocity_max: Velocity | None = None
    duration_min_seconds: Seconds | None = None
    duration_max_seconds: Seconds | None = None
    tuning: Tuning | None = Field(None, description="A name, or the notes of the open strings; equal is equal")
    engine: Identifier | None = Field(None, description="What made it")
    model: ModelName | None = None
    derived: bool | None = Field(None, description="Whether it was made from another sound")
    sort: Sort | None = Field(
        None,
        description="position: by instrument, string, fret and velocity, then newest first; newest; pitch: from low to "
        "high, without what has no pitch. position if an instrument is given, else newest",
    )
    limit: Annotated[int, Between(1, 100, "sounds"), default(20)] = 20
    cursor: Annotated[str, Field(max_length=2000)] | None = Field(
        None, description="next_cursor of the page before, with the same fields; limit may change"
    )

    @property
    def order(self) -> Sort:
        """The order that is asked for, or else the usual one."""
        return self.sort or ("position" if self.instrument else "newest")

    def asked(self) -> dict[str, Any]:
        """What a sound must fit: the fields that were given, but for how to show them."""
        return {name: value for name, value in self if value is not None and name not in _SHOWING}


_SHOWING = ("sort", "limit", "cursor")
_ASKING = [name for name in SoundQuery.model_fields if name not in _SHOWING]
_RANGES = (
    ("fret_min", "fret_max"),
    ("note_min", "note_max"),
    ("velocity_min", "velocity_max"),
    ("duration_min_seconds", "duration_max_seconds"),
)


def check(query: SoundQuery) -> None:
    """Raise ``InvalidRequest`` for a query that asks for nothing, or for what no sound can be."""
    asked = query.asked()
    if not asked:
        raise InvalidRequest([FieldError("", f"ask for at least one of {', '.join(_ASKING)}")])
    errors = [*_contradictions(asked), *_impossible(query, asked)]
    if errors:
        raise InvalidRequest(errors)


def fits(sample: Sample, asked: Iterable[tuple[str, Any]]) -> bool:
    """Whether a sound is what was asked for, field by field."""
    return all(_TESTS[name](sample, value) for name, value in asked)


def _contradictions(asked: dict[str, Any]) -> Iterator[FieldError]:
    for low, high in _RANGES:
        if low in asked and high in asked and asked[low] > asked[high]:
            yield FieldError(f"/{low}", f"must not be above {high}, which is {asked[high]:g}")
    for exact in ("fret", "velocity"):
        for bound in (f"{exact}_min", f"{exact}_max"):
            if exact in asked and bound in asked:
                yield FieldError(f"/{bound}", f"goes without {exact}: give one or the other")
    for one, other in contradictions(asked.get("technique", ())):
        yield FieldError("/technique", f"{one} and {other} exclude each other: no sound has both")
    if "text" in asked and not words_of(asked["text"]):
        yield FieldError("/text", "has no word of two letters or digits at least")


def _impossible(query: SoundQuery, asked: dict[str, Any]) -> Iterator[FieldError]:
    if query.tuning is not None and (reason := _why_not(query.instrument, query.tuning)):
        yield FieldError("/tuning", reason)
    if query.instrument is None:
        return
    instrument = INSTRUMENTS[query.instrument]
    if query.string and query.string > instrument.strings:
        yield FieldError("/string", f"{instrument.name} has strings 1 to {instrument.strings}, not {query.string}")
    for name in ("fret", "fret_min", "fret_max"):
        if asked.get(name, 0) > instrument.frets:
            yield FieldError(f"/{name}", f"{instrument.name} has frets 0 to {instrument.frets}, not {asked[name]}")


def _why_not(instrument: str | None, tuning: str | tuple[str, ...]) -> str | None:
    """Why the instrument, or any there is, cannot be tuned so; ``None`` if it can."""
    if instrument is None:
        if any(_open_pitches(name, tuning) for name in INSTRUMENTS):
            return None
        names = dict.fromkeys(name for each in INSTRUMENTS.values() for name in each.tunings)
        return f"no instrument can be tuned so; there is {', '.join(names)}, or give the notes of its open strings"
    try:
        INSTRUMENTS[instrument].open_pitches(tuning)
    except ValueError as error:
        return str(error)
    return None


@lru_cache(1024)
def _open_pitches(instrument: str, tuning: str | tuple[str, ...]) -> tuple[int, ...] | None:
    try:
        return INSTRUMENTS[instrument].open_pitches(tuning)
    except ValueError:
        return None


def _is_tuned(sample: Sample, tuning: str | tuple[str, ...]) -> bool:
    pitches = _open_pitches(sample.instrument, tuning)
    return pitches is not None and pitches == _open_pitches(sample.instrument, sample.tuning)


def lowest_cents(note: int) -> int:
    """The lowest pitch that counts as a MIDI note, in cents above note 0."""
    return max(100 * note - 50, 0)


def highest_cents(note: int) -> int:
    """The highest pitch that counts as a MIDI note, in whole cents above note 0."""
    return 100 * note + 49


def _cents(sample: Sample) -> float:
    """NaN for a sound without a pitch, which is neither above nor below any."""
    return float("nan") if sample.pitch.frequency_hz is None else cents_of(sample.pitch.frequency_hz)


_TESTS: dict[str, Callable[[Sample, Any], bool]] = {
    "instrument": lambda sample, name: sample.instrument == name,
    "string": lambda sample, number: sample.string == number,
    "fret": lambda sample, number: sample.fret == number,
    "fret_min": lambda sample, number: sample.fret >= number,
    "fret_max": lambda sample, number: sample.fret <= number,
    "note_min": lambda sample, note: _cents(sample) >= lowest_cents(note),
    "note_max": lambda sample, note: _cents(sample) <= highest_cents(note),
    "technique": lambda sample, names: set(names) <= set(canonical(sample.technique)),
    "text": lambda sample, text: set(words_of(text)) <= set(words_of(sample.style_prompt)),
    "tags": lambda sample, tags: set(tags) <= set(sample.tags),
    "velocity": lambda sample, velocity: sample.velocity == velocity,
    "velocity_min": lambda sample, velocity: sample.velocity >= velocity,
    "velocity_max": lambda sample, velocity: sample.velocity <= velocity,
    "duration_min_seconds": lambda sample, seconds: sample.duration_seconds >= seconds,
    "duration_max_seconds": lambda sample, seconds: sample.duration_seconds <= seconds,
    "tuning": _is_tuned,
    "engine": lambda sample, name: sample.made_by.engine == name,
    "model": lambda sample, name: sample.made_by.model == name,
    "derived": lambda sample, derived: (sample.derived_from is not None) == derived,
}
