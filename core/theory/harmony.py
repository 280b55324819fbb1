"""What a chord does in a key: its roman numeral and its role.

Numerals are those that ``core.theory.notation`` reads, and reading them gives the chord back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.theory.chords import QUALITIES, Chord
from core.theory.keys import Key, key_on
from core.theory.statistics import is_dominant_seventh

Role = Literal[
    "tonic", "predominant", "dominant", "secondary dominant", "borrowed", "neapolitan", "tritone substitution",
    "chromatic",
]  # fmt: skip
"""``tonic`` rests, ``predominant`` leads away, ``dominant`` wants back. A ``secondary dominant`` wants to another chord
of the key, a ``borrowed`` one belongs to the parallel key, and ``chromatic`` is what none of this explains."""

_MAJOR = ("I", "bII", "II", "bIII", "III", "IV", "#IV", "V", "bVI", "VI", "bVII", "VII")
_MINOR = ("I", "bII", "II", "III", "#III", "IV", "#IV", "V", "VI", "#VI", "VII", "#VII")
_MAJOR_DIMINISHED = ("I", "#I", "II", "bIII", "III", "IV", "#IV", "V", "#V", "VI", "bVII", "VII")
_MINOR_DIMINISHED = ("I", "#I", "II", "bIII", "#III", "IV", "#IV", "V", "#V", "VI", "bVII", "VII")

_DIMINISHED_SUFFIXES = {(0, 3, 6): "°", (0, 3, 6, 9): "°7", (0, 3, 6, 10): "ø7"}
_SUFFIXES = {intervals: name.removeprefix("m") if 3 in intervals else name for intervals, name in QUALITIES.items()}
"""Of chords that are not diminished; the minor third is in the numeral's small letters."""
_BASS_DEGREES = ("1", "b2", "2", "b3", "3", "4", "#4", "5", "b6", "6", "b7", "7")

_MAJOR_SCALE, _MINOR_SCALE, _HARMONIC_MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 8, 11)
_TARGETS = {"major": {2: "ii", 4: "iii", 5: "IV", 7: "V", 9: "vi"}, "minor": {3: "III", 5: "iv", 7: "V", 8: "VI"}}
_ROLES: dict[str, dict[int, Role]] = {
    "major": {0: "tonic", 2: "predominant", 4: "tonic", 5: "predominant", 7: "dominant", 9: "tonic", 11: "dominant"},
    "minor": {
        0: "tonic", 2: "predominant", 3: "tonic", 5: "predominant", 7: "dominant", 8: "predominant", 10: "dominant",
        11: "dominant",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Function:
    """What a chord does in a key.

    Attributes:
        roman: its numeral, such as ``ii7``, ``V7/V`` or ``bVII``.
        role: see ``Role``.
        relation: the numeral that a secondary dominant leads to, or the key a borrowed chord is from; else empty.
    """

    roman: str
    role: Role
    relation: str = ""


def function_of(chord: Chord, key: Key, *, blues: bool = False) -> Function:
    """What the chord does in the key. In ``blues`` the sevenths on I and IV are at home and lead nowhere else."""
    degree = (chord.root - key.pitch_class) % 12
    numeral = roman(chord, key)
    if blues and degree in (0, 5, 7) and 4 in chord.intervals:
        return Function(numeral, _ROLES["major"][degree])
    if _fits(chord, key):
        return Function(numeral, _ROLES[key.mode][degree])
    if target := _target(chord, degree, key):
        return Function(_secondary(chord, target) or numeral, "secondary dominant", target)
    if degree == 1 and 4 in chord.intervals:
        role: Role = "tritone substitution" if 10 in chord.intervals else "neapolitan"
        return Function("N6" if chord.intervals == (0, 4, 7) and _bass(chord) == 4 else numeral, role)
    if _fits(chord, key.parallel) or (degree == 10 and 4 in chord.intervals):
        return Function(numeral, "borrowed", key.parallel.name)
    return Function(numeral, "chromatic")


def roman(chord: Chord, key: Key) -> str:
    """The chord's numeral in the key, with its bass as a degree of the major scale: ``IV/6`` is F/A in C."""
    degree = (chord.root - key.pitch_class) % 12
    if chord.intervals in _DIMINISHED_SUFFIXES:
        numerals = _MAJOR_DIMINISHED if key.mode == "major" else _MINOR_DIMINISHED
        numeral = _small(numerals[degree]) + _DIMINISHED_SUFFIXES[chord.intervals]
    else:
        plain = (_MAJOR if key.mode == "major" else _MINOR)[degree]
        numeral = (_small(plain) if 3 in chord.intervals else plain) + _SUFFIXES[chord.intervals]
    return numeral if chord.bass == chord.root else f"{numeral}/{_BASS_DEGREES[(chord.bass - key.pitch_class) % 12]}"


def _fits(chord: Chord, key: Key) -> bool:
    """Whether all of its tones, ninths and beyond left out, are the key's; a minor key's seventh may be raised."""
    tones = {(chord.root + interval - key.pitch_class) % 12 for interval in _unaltered(chord) if interval < 12}
    scales = (_MAJOR_SCALE,) if key.mode == "major" else (_MINOR_SCALE, _HARMONIC_MINOR)
    return any(tones <= set(scale) for scale in scales) and (chord.root - key.pitch_class) % 12 in _ROLES[key.mode]


def _unaltered(chord: Chord) -> set[int]:
    """Its intervals; the fifth of a dominant seventh may be altered, and it is the same dominant."""
    tones = set(chord.intervals)
    return (tones - {6, 8}) | {7} if is_dominant_seventh(chord) else tones


def _target(chord: Chord, degree: int, key: Key) -> str | None:
    """The numeral that the chord leads to as its dominant or its leading-note chord."""
    if chord.intervals in _DIMINISHED_SUFFIXES:
        return _TARGETS[key.mode].get((degree + 1) % 12)
    if is_dominant_seventh(chord) or ({4, 7} <= set(chord.intervals) and 11 not in chord.intervals):
        target = (degree + 5) % 12
        borrowed = key.mode == "minor" and degree in (5, 10) and 10 not in chord.intervals
        return None if borrowed else _TARGETS[key.mode].get(target)
    return None


def _secondary(chord: Chord, target: str) -> str | None:
    """``V7/ii``; none for a chord over another bass: behind the slash there is room for one thing."""
    if chord.bass != chord.root:
        return None
    if chord.intervals in _DIMINISHED_SUFFIXES:
        return f"vii{_DIMINISHED_SUFFIXES[chord.intervals]}/{target}"
    return f"V{_SUFFIXES[chord.intervals]}/{target}"


def temporary_tonic(function: Function, key: Key) -> str:
    """The symbol of the chord that a secondary dominant leads to."""
    numerals = _MAJOR if key.mode == "major" else _MINOR
    degree = numerals.index(function.relation.upper())
    target = key_on(key.pitch_class + degree, "minor" if function.relation.islower() else "major")
    return key.spell(target.pitch_class) + ("m" if target.mode == "minor" else "")


def _bass(chord: Chord) -> int:
    return (chord.bass - chord.root) % 12


def _small(numeral: str) -> str:
    return numeral[0] + numeral[1:].lower() if numeral[0] in "#b" else numeral.lower()
