"""Notes and their pitches, in equal temperament with A4 = 440 Hz = MIDI number 69 (ISO 16)."""

from __future__ import annotations

import math
import re

NATURALS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
"""Pitch classes of the letters, 0 for C to 11 for B."""

ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
"""What they add, in semitones."""

_NOTE = re.compile(r"([A-Ga-g])([#b♯♭]?)(-?[0-9])")
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def parse_note(name: str) -> int:
    """The MIDI number of a note with its octave, such as ``E2`` or ``Bb3``: C4, middle C, is 60.

    Raises ``ValueError`` for anything else, or below C-1, which is 0, or above G9, which is 127.
    """
    match = _NOTE.fullmatch(name.strip())
    if match is None:
        raise ValueError(f"{name!r} is no note; write a letter, # or b if need be, and the octave, such as E2 or Bb3")
    letter, accidental, octave = match.groups()
    number = NATURALS[letter.upper()] + ACCIDENTALS[accidental] + 12 * (int(octave) + 1)
    if not 0 <= number <= 127:
        raise ValueError(f"{name!r} lies outside C-1 to G9")
    return number


def note_name(midi: float) -> str:
    """The nearest note's name, with sharps: 61 is ``C#4``."""
    number = round(midi)
    return f"{_SHARPS[number % 12]}{number // 12 - 1}"


def frequency_of(midi: float) -> float:
    """Hz of a MIDI note number, which need not be whole."""
    return float(440.0 * 2 ** ((midi - 69) / 12))


def midi_of(frequency_hz: float) -> float:
    """The MIDI note number of a frequency, with its fraction."""
    return 69 + 12 * math.log2(frequency_hz / 440)


def cents_between(frequency_hz: float, reference_hz: float) -> float:
    """How far a frequency lies above a reference, in hundredths of a semitone."""
    return 1200 * math.log2(frequency_hz / reference_hz)
