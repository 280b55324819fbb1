"""What a tab says: bars of beats, each with the strings and frets that sound. Every format is written from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.theory.neck import Neck

EIGHTHS_PER_BAR = 8
"""4/4, the one time signature there is."""

Stroke = Literal["down", "up"]


@dataclass(frozen=True)
class TabNote:
    """One string that sounds.

    Attributes:
        string: as players count: 1 is the last of the tuning.
        fret: counted from the capo.
        pitch: its MIDI number.
    """

    string: int
    fret: int
    pitch: int


@dataclass(frozen=True)
class Beat:
    """What sounds together, from the tuning's first string to its last, and for how many eighths."""

    notes: tuple[TabNote, ...]
    eighths: int
    stroke: Stroke | None = None


@dataclass(frozen=True)
class Bar:
    """The beats of one chord, which fill ``EIGHTHS_PER_BAR``."""

    symbol: str
    beats: tuple[Beat, ...]


@dataclass(frozen=True)
class Score:
    """A tab for one instrument."""

    instrument: str
    neck: Neck
    bars: tuple[Bar, ...]
    tempo_bpm: float = 100.0


def note_at(neck: Neck, index: int, fret: int) -> TabNote:
    """The note of a string, by its place in the tuning, at a fret."""
    return TabNote(neck.string_number(index), fret, neck.open_pitches[index] + fret)
