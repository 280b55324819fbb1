"""Chord symbols: the one parser of the product.

A symbol is a root, a quality and an optional slash bass: ``C``, ``F♯m7``, ``B♭maj9``, ``D/F#``. Each quality has many
spellings. ``min``, ``mi`` and ``-`` are ``m``; ``M``, ``Maj``, ``ma`` and ``Δ`` are ``maj``, and ``Δ`` alone has the
seventh; behind a number ``+`` and ``-`` alter as ``#`` and ``b`` do; what is added, altered or suspended may stand in
parentheses: ``Cm(maj7)``, ``C7(b9)``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from core.theory.notes import ACCIDENTALS, NATURALS

LONGEST_SYMBOL = 16
"""Characters. The longest symbol that means anything, ``C#min6(add9)/G#``, has fifteen."""

PLAIN_SIGNS = str.maketrans(
    {"♯": "#", "♭": "b", "º": "°", "−": "-", "^": "Δ", "∆": "Δ", "△": "Δ"}  # noqa: RUF001 - minus signs are typed, too
)
"""What is typed for the signs that the parser knows, one character for one."""

_SPELLINGS: dict[tuple[int, ...], str] = {
    (0, 4, 7): "|maj",
    (0, 3, 7): "m",
    (0, 7): "5|no3",
    (0, 4, 7, 9): "6|maj6",
    (0, 3, 7, 9): "m6",
    (0, 4, 7, 9, 14): "6/9|69|6add9",
    (0, 3, 7, 9, 14): "m6/9|m69|m6add9",
    (0, 4, 7, 10): "7",
    (0, 4, 7, 11): "maj7|j7",
    (0, 3, 7, 10): "m7",
    (0, 3, 7, 11): "mmaj7",
    (0, 3, 6, 10): "m7b5|ø|ø7",
    (0, 3, 6): "dim|°|o|mb5",
    (0, 3, 6, 9): "dim7|°7|o7",
    (0, 4, 8): "aug|+",
    (0, 2, 7): "sus2",
    (0, 5, 7): "sus4|sus",
    (0, 4, 7, 14): "add9|add2",
    (0, 3, 7, 14): "madd9|madd2",
    (0, 4, 7, 17): "add11|add4",
    (0, 4, 7, 10, 14): "9",
    (0, 3, 7, 10, 14): "m9",
    (0, 4, 7, 11, 14): "maj9",
    (0, 3, 7, 11, 14): "mmaj9",
    (0, 4, 7, 10, 14, 17): "11",
    (0, 3, 7, 10, 14, 17): "m11",
    (0, 4, 7, 10, 14, 17, 21): "13",
    (0, 3, 7, 10, 14, 21): "m13",
    (0, 4, 7, 11, 14, 21): "maj13",
    (0, 5, 7, 10): "7sus4|7sus",
    (0, 5, 7, 10, 14): "9sus4|9sus",
    (0, 5, 7, 10, 14, 21): "13sus4|13sus",
    (0, 4, 6, 10): "7b5",
    (0, 4, 8, 10): "7#5|7+|+7|aug7",
    (0, 4, 7, 10, 13): "7b9",
    (0, 4, 7, 10, 15): "7#9",
    (0, 4, 7, 10, 18): "7#11",
    (0, 4, 7, 10, 20): "7b13",
    (0, 4, 8, 11): "maj7#5|+maj7|augmaj7",
    (0, 4, 7, 11, 18): "maj7#11",
}
"""The name of each quality, and other spellings; how minor, major and parentheses are written is ``_WORDS``'s."""

QUALITIES = {intervals: line.split("|")[0] for intervals, line in _SPELLINGS.items()}
"""The name of each quality by its intervals; a major chord's is empty."""

_INTERVALS = {spelling: intervals for intervals, line in _SPELLINGS.items() for spelling in line.split("|")}
_WORDS = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"Δ(?!\d)", "maj7"),
        (r"Δ|[Mm]a(?:j|(?!d))|M(?!i)", "maj"),
        (r"\((add\d+|sus\d?|no3|maj\d*|[#b+-]\d+|9|11|13)\)", r"\1"),
        (r"^(?:min|mi|m(?!aj)|-)", "m"),
        (r"(?<=\d)\+(?=\d)", "#"),
        (r"(?<=\d)-(?=\d)", "b"),
    )
)
_SYMBOL = re.compile(r"([A-G][#b]?)((?:6/9|[^/])*)(?:/([A-G][#b]?))?")
_EXPECTED = (
    "expected a root A to G, optionally # or b, then one of "
    + ", ".join(name or "maj" for name in QUALITIES.values())
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


class SymbolParts(NamedTuple):
    """What a symbol is written of, with plain accidentals; the quality is as it was spelled."""

    root: str
    quality: str
    bass: str | None


def parse_chord(symbol: str) -> Chord:
    """Read one chord symbol, raising ``ChordError`` for anything that is not exactly one.

    Roots are capitals with at most one accidental (``#``, ``b``, ``♯``, ``♭``); blanks are not skipped.
    """
    if len(symbol) > LONGEST_SYMBOL:
        raise ChordError(f"a chord symbol has at most {LONGEST_SYMBOL} characters, this one has {len(symbol)}")
    parts = symbol_parts(symbol)
    intervals = intervals_of(parts.quality) if parts else None
    if parts is None or intervals is None:
        raise ChordError(f"{symbol!r} is not a chord: {_EXPECTED}")
    return Chord(symbol, _pitch_class(parts.root), intervals, _pitch_class(parts.bass or parts.root))


def symbol_parts(symbol: str) -> SymbolParts | None:
    """Root, quality and slash bass, ``None`` for what cannot be a symbol. The nine of ``C6/9`` is no bass."""
    match = _SYMBOL.fullmatch(symbol.translate(PLAIN_SIGNS))
    return match and SymbolParts(match[1], match[2], match[3])


def intervals_of(quality: str) -> tuple[int, ...] | None:
    """Semitones above the root of a quality in any spelling, with plain accidentals; ``None`` if it is none."""
    for pattern, word in _WORDS:
        quality = pattern.sub(word, quality)
    return _INTERVALS.get(quality)


def _pitch_class(note: str) -> int:
    return (NATURALS[note[0]] + ACCIDENTALS[note[1:]]) % 12
