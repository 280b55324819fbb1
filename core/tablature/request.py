"""What a tab is asked for with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from core.errors import FieldError, InvalidRequest
from core.tablature.arrangement import Pattern, is_bass_line
from core.tablature.ascii import DEFAULT_WIDTH
from core.theory.chords import Chord
from core.theory.fields import Chords, KeyName
from core.theory.fretboard import InstrumentName
from core.theory.keys import parse_key
from core.theory.neck import FEWEST_STRINGS, HIGHEST_CAPO, MOST_STRINGS, Neck, neck_of
from core.theory.notation import ProgressionError, parse_progression
from core.theory.voicings import Level
from core.validation import Between, at_most, default

TabFormat = Literal["ascii", "alphatex", "musicxml", "midi", "svg"]

_KEY_DESCRIPTION = "What numbers and numerals are read in, such as C or F#m"


def _name_or_notes(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """One error for the field, where pydantic has one for each kind of value that would have fitted."""
    try:
        return handler(value)
    except ValidationError:
        raise ValueError(
            f"must be a tuning's name, or a list of {FEWEST_STRINGS} to {MOST_STRINGS} notes, lowest string first"
        ) from None


NoteNames = Annotated[tuple[Annotated[str, Field(max_length=4)], ...], *at_most(MOST_STRINGS)]
TuningChoice = Annotated[Annotated[str, Field(max_length=40)] | NoteNames, WrapValidator(_name_or_notes)]


class SimpleTabsRequest(BaseModel):
    """The JSON body of ``POST /tabs``: the chords, or the bare list of them."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"chords": ["C", "G", "Am", "F"]}}
    )

    chords: Chords = Field(description="One for each bar: symbols, or with a key Nashville numbers or roman numerals")
    key: KeyName | None = Field(None, description=_KEY_DESCRIPTION)

    @model_validator(mode="before")
    @classmethod
    def _bare_list(cls, value: JsonValue) -> JsonValue:
        return {"chords": value} if isinstance(value, list) else value


class TabRequest(BaseModel):
    """The JSON body of ``POST /v1/theory/tabs``."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "example": {"chords": ["C", "G/B", "Am7", "F"], "level": "open", "pattern": "fingerpicking", "capo": 2}
        },
    )

    chords: Chords = Field(
        description="As they sound, one for each bar of 4/4: symbols, or with a key Nashville numbers or roman numerals"
    )
    key: KeyName | None = Field(None, description=_KEY_DESCRIPTION)
    instrument: InstrumentName | None = Field(
        None, description="bass_guitar for the patterns bass and walking_bass, else acoustic_guitar, if left out"
    )
    tuning: Annotated[TuningChoice, default("standard")] = Field(
        "standard", description="A name, such as drop_d, or the notes of 4 to 7 open strings from the lowest on"
    )
    strings: Annotated[int, Between(FEWEST_STRINGS, MOST_STRINGS, "")] | None = Field(
        None, description="7 for a guitar with a low B, 5 or 6 for such a bass; else what the tuning has"
    )
    capo: Annotated[int, Between(0, HIGHEST_CAPO, ""), default(0)] = Field(
        0, description="The fret it lies on; frets of the answer count from there"
    )
    level: Annotated[Level, default("any")] = Field(
        "any", description="open: open strings and few barres; barre: movable shapes; any: the easiest"
    )
    pattern: Annotated[Pattern, default("strum")] = "strum"
    format: Annotated[TabFormat, default("ascii")] = "ascii"
    tempo_bpm: Annotated[float, Between(20, 300, "beats a minute"), default(100.0)] = 100.0
    width: Annotated[int, Between(20, 1000, "characters"), default(DEFAULT_WIDTH)] = Field(
        DEFAULT_WIDTH, description="ascii: where lines are wrapped"
    )

    @property
    def instrument_name(self) -> InstrumentName:
        """The instrument, or the one that the pattern is usually played on."""
        return self.instrument or ("bass_guitar" if is_bass_line(self.pattern) else "acoustic_guitar")

    def neck(self) -> Neck:
        """The neck that is asked for; raises ``InvalidRequest`` for a tuning that there is not."""
        try:
            return neck_of(self.instrument_name, self.tuning, capo=self.capo, strings=self.strings)
        except ValueError as error:
            raise InvalidRequest([FieldError("/tuning", str(error))]) from None

    def progression(self) -> list[Chord]:
        """The chords; raises ``InvalidRequest`` with a pointer to each that is none."""
        try:
            return parse_progression(self.chords, parse_key(self.key) if self.key else None)
        except ProgressionError as error:
            raise InvalidRequest([FieldError(*fault) for fault in error.below("/chords")]) from None
