"""Tabs as JSON."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from core.tablature.spelling import spelled
from core.tablature.tabs import Tab
from core.theory.chords import Chord
from core.theory.neck import Neck
from core.theory.voicings import Shape


class StringView(BaseModel):
    """One string of a shape."""

    string: int = Field(description="As players count: 1 is the last of the tuning")
    state: Literal["muted", "open", "fretted"]
    fret: int | None = Field(description="From the capo; null for a muted string")
    finger: int | None = Field(description="1, the index, to 4, the little finger; null if no finger holds it")
    note: str | None


class BarreView(BaseModel):
    """The index finger across several strings."""

    fret: int
    from_string: int
    to_string: int


class ShapeView(BaseModel):
    """How a chord is held."""

    chord: str
    frets: list[int | None] = Field(description="Of each string in the tuning's order; null for a muted one")
    fingers: list[int] = Field(description="Of each string; 0 if no finger holds it")
    barre: BarreView | None
    position: int = Field(description="The lowest fret that is held down; 0 if none is")
    notes: list[str] = Field(description="What sounds, in the tuning's order")
    strings: list[StringView]


def shape_views(tab: Tab) -> list[ShapeView]:
    """The shape of each chord."""
    neck = tab.score.neck
    return [shape_view(chord, shape, neck) for chord, shape in zip(tab.chords, tab.shapes, strict=True)]


def shape_view(chord: Chord, shape: Shape, neck: Neck) -> ShapeView:
    """One shape."""
    strings = [_string(index, chord, shape, neck) for index in range(neck.strings)]
    barre = shape.fingering.barre
    return ShapeView(
        chord=chord.symbol,
        frets=list(shape.frets),
        fingers=list(shape.fingering.fingers),
        barre=barre and BarreView(fret=barre.fret, from_string=neck.string_number(barre.lowest), to_string=1),
        position=shape.position,
        notes=[each.note for each in strings if each.note],
        strings=strings,
    )


def _string(index: int, chord: Chord, shape: Shape, neck: Neck) -> StringView:
    fret, pitch = shape.frets[index], shape.pitches(neck)[index]
    return StringView(
        string=neck.string_number(index),
        state="muted" if fret is None else "fretted" if fret else "open",
        fret=fret,
        finger=shape.fingering.fingers[index] or None,
        note=None if pitch is None else spelled(pitch, chord),
    )
