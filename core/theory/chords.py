"""Chord symbols: the one parser of the product.

A symbol is a root, a quality and an optional slash bass: ``C``, ``F♯m7``, ``B♭maj9``, ``D/F#``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.theory.notes import ACCIDENTALS, NATURALS

LONGEST_SYMBOL = 16
"""Characters. The longest symbol that means anything, ``C#min7b5/G#``, has eleven."""

_PLAIN_SIGNS = str.maketrans({"♯": "#", "♭": "b"})

_SPELLINGS: dict[tuple[int, ...], str] = {
    (0, 4, 7): "|maj|M",
    (0, 3, 7): "m|min|-",
    (0, 7): "5",
    (0, 4, 7, 9): "6|maj6|M6",
    (0, 3, 7, 9): "m6|min6|-6",
    (0, 4, 7, 10): "7",
    (0, 4, 7, 11): "maj7|M7",
    (0, 3, 7, 10): "m7|min7|-7",
    (0, 3, 6, 10): "m7b5|min7b5|-7b5|ø|ø7",
    (0, 3, 6): "dim|°",
    (0, 3, 6, 9): "dim7|°7",
    (0, 4, 8): "aug|+",
    (0, 2, 7): "sus2",
    (0, 5, 7): "sus4",
    (0, 4, 7, 14): "add9",
    (0, 4, 7, 10, 14): "9",
    (0, 3, 7, 10, 14): "m9|min9|-9",
    (0, 4, 7, 11, 14): "maj9|M9",
    (0, 4, 7, 10, 14, 17): "11",
    (0, 4, 7, 10, 14, 17, 21): "13",
}
_QUALITIES = {spelling: intervals for intervals, line in _SPELLINGS.items() for spelling in line.split("|")}
_SYMBOL = re.compile(r"([A-G])([#b]?)([^/]*)(?:/([A-G])([#b]?))?")
_EXPECTED = (
    "expected a root A to G, optionally # or b, then one of "
    + ", ".join(line.lstrip("|").split("|")[0] for line in _SPELLINGS.values())
    + ", then optionally a slash and a bass note, as in Am7 or D/F#"
)


class ChordError(ValueError):
    """The text is not a chord symbol; the message says what was expected."""


@dataclass(frozen=True)
class Chord:
    """A chord as a player needs it.

    Attributes:
        symbol: as it was written.
        root: pitch class of the root, 0 (C) to 11 (B).
        intervals: semitones above the root, ascending from 0; those above 11 are in the octave above.
        bass: pitch class of the lowest note: the root, unless a slash names another.
    """

    symbol: str
    root: int
    intervals: tuple[int, ...]
    bass: int

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """The chord's tones folded to 0..11, root first, the bass not added."""
        return tuple((self.root + interval) % 12 for interval in self.intervals)


def parse_chord(symbol: str) -> Chord:
    """Read one chord symbol, raising ``ChordError`` for anything that is not exactly one.

    Roots are capitals with at most one accidental (``#``, ``b``, ``♯``, ``♭``); blanks are not skipped.
    """
    if len(symbol) > LONGEST_SYMBOL:
        raise ChordError(f"a chord symbol has at most {LONGEST_SYMBOL} characters, this one has {len(symbol)}")
    match = _SYMBOL.fullmatch(symbol.translate(_PLAIN_SIGNS))
    if match is None or match[3] not in _QUALITIES:
        raise ChordError(f"{symbol!r} is not a chord: {_EXPECTED}")
    root = _pitch_class(match[1], match[2])
    bass = root if match[4] is None else _pitch_class(match[4], match[5])
    return Chord(symbol, root, _QUALITIES[match[3]], bass)


def _pitch_class(letter: str, accidental: str) -> int:
    return (NATURALS[letter] + ACCIDENTALS[accidental]) % 12
