"""Scales by their usual names: which of the twelve pitch classes belong to one."""

from __future__ import annotations

import re
from itertools import accumulate

from core.theory.notes import ACCIDENTALS, NATURALS

_ROOT = re.compile(r"([A-Ga-g])([#b♯♭]?)")

_STEPS = {
    "major": "2212221",
    "minor": "2122122",
    "harmonic_minor": "2122131",
    "melodic_minor": "2122221",
    "ionian": "2212221",
    "dorian": "2122212",
    "phrygian": "1222122",
    "lydian": "2221221",
    "mixolydian": "2212212",
    "aeolian": "2122122",
    "locrian": "1221222",
    "phrygian_dominant": "1312122",
    "major_pentatonic": "22323",
    "minor_pentatonic": "32232",
    "blues": "321132",
    "major_blues": "211323",
    "whole_tone": "222222",
    "diminished": "21212121",
    "dominant_diminished": "12121212",
    "chromatic": "111111111111",
}
"""Semitones from each degree to the next, up to the octave. ``minor`` is the natural one, ``melodic_minor`` rises;
``diminished`` begins with a whole step, ``dominant_diminished`` with a half one."""

SCALES: dict[str, tuple[int, ...]] = {name: (0, *accumulate(map(int, steps[:-1]))) for name, steps in _STEPS.items()}
"""The degrees of each scale, in semitones above the root, which is 0."""


def root_pitch_class(root: str) -> int:
    """0 for C to 11 for B, of a note's name without octave, such as ``A``, ``F#`` or ``Bb``.

    Raises ``ValueError`` for anything else.
    """
    match = _ROOT.fullmatch(root)
    if match is None:
        raise ValueError("must be a letter A to G, with # or b if need be and without an octave, such as A, F# or Bb")
    return (NATURALS[match[1].upper()] + ACCIDENTALS[match[2]]) % 12


def degrees(scale: str) -> tuple[int, ...]:
    """The scale's degrees in semitones above the root; raises ``ValueError`` for a name that is not in ``SCALES``."""
    if scale not in SCALES:
        raise ValueError(f"must be one of {', '.join(SCALES)}")
    return SCALES[scale]


def pitch_classes(root: str, scale: str) -> frozenset[int]:
    """The pitch classes, 0 for C to 11 for B, that belong to the scale on this root.

    Raises ``ValueError`` for a root that is no note's name or a scale that is not in ``SCALES``.
    """
    tonic = root_pitch_class(root)
    return frozenset((tonic + degree) % 12 for degree in degrees(scale))
