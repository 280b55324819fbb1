"""``POST /v1/theory/chords``: chords read in any notation, moved to another pitch or key, made simpler, with a capo."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.errors import FieldError, InvalidRequest
from core.songwriting.request import Entries, KeyName
from core.songwriting.suggesting import (
    CapoView,
    ChordView,
    KeyView,
    ModulationView,
    capo_view,
    chord_view,
    key_view,
    modulation_views,
    read_chords,
)
from core.theory.chords import Chord
from core.theory.keys import Key, parse_key
from core.theory.statistics import Style
from core.theory.suggestions import functions_in, keys_of
from core.theory.transposition import best_capo, simplified, to_key
from core.validation import NOT_EMPTY, Between, default


class ChordsRequest(BaseModel):
    """The body of ``POST /v1/theory/chords``."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"example": {"chords": ["I", "V/7", "vi7", "IV"], "key": "Bb"}}
    )

    chords: Annotated[Entries, *NOT_EMPTY] = Field(description="Symbols, or with a key numbers or roman numerals")
    key: KeyName | None = Field(None, description="Found from the chords if left out")
    style: Annotated[Style, default("pop")] = "pop"
    semitones: Annotated[int, Between(-24, 24, "semitones")] | None = Field(None, description="How far to move them up")
    to_key: KeyName | None = Field(None, description="The key to move them to, of the same mode")
    tones: Literal[3, 4] | None = Field(None, description="At most so many in each chord, and no slash bass")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.semitones is not None and self.to_key is not None:
            raise ValueError("semitones and to_key say the same thing twice; send one of them")
        return self


class ChordsView(BaseModel):
    """The chords as asked for, what each does in their key, and the capo that makes them easiest."""

    key: KeyView = Field(description="At the end of the chords, if it changes among them")
    modulations: list[ModulationView] = Field(
        description="Where the key changes; each chord's numeral is that of the key it stands in"
    )
    chords: list[ChordView]
    capo: CapoView


def answer(request: ChordsRequest) -> ChordsView:
    """Read, move and simplify the chords."""
    given = parse_key(request.key) if request.key else None
    chords = read_chords(request.chords, given)
    reading = keys_of(chords, request.style, given)
    source = reading.ranked[0]
    key, moved = _moved(request, chords, source.key)
    if moved != chords:
        reading = keys_of(moved, request.style, key if given else None)
    if request.tones:
        moved = [simplified(chord, request.tones) for chord in moved]
    functions = functions_in(moved, reading.spans, request.style)
    return ChordsView(
        key=key_view(key, source.confidence),
        modulations=modulation_views(reading.spans),
        chords=[chord_view(chord, function) for chord, function in zip(moved, functions, strict=True)],
        capo=capo_view(best_capo(moved)),
    )


def _moved(request: ChordsRequest, chords: list[Chord], source: Key) -> tuple[Key, list[Chord]]:
    if request.semitones is not None:
        target = source.moved(request.semitones)
        return target, to_key(chords, source, target)
    if request.to_key is None:
        return source, chords
    target = parse_key(request.to_key)
    if target.mode != source.mode:
        raise InvalidRequest(
            [FieldError("/to_key", f"must be a {source.mode} key as {source.name} is; chords do not change their mode")]
        )
    return target, to_key(chords, source, target)
