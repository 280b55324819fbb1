"""From chords to a tab: the shapes, and what is played of them in each bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from core.tablature.bass_lines import roots_and_fifths, walking_bass
from core.tablature.patterns import fingerpicking, strum
from core.tablature.score import Bar
from core.theory.chords import Chord
from core.theory.neck import Neck
from core.theory.voicings import Shape

Pattern = Literal["strum", "fingerpicking", "bass", "walking_bass"]

_SHAPED: dict[Pattern, Callable[[str, Shape, Neck], Bar]] = {"strum": strum, "fingerpicking": fingerpicking}
_LINES: dict[Pattern, Callable[[Sequence[Chord], Neck], list[Bar]]] = {
    "bass": roots_and_fifths,
    "walking_bass": walking_bass,
}


def is_bass_line(pattern: Pattern) -> bool:
    """Whether the pattern is a line of single notes, rather than shapes."""
    return pattern in _LINES


def arranged(chords: Sequence[Chord], shapes: Sequence[Shape], neck: Neck, pattern: Pattern) -> tuple[Bar, ...]:
    """One bar for each chord."""
    if pattern in _LINES:
        return tuple(_LINES[pattern](chords, neck))
    return tuple(_SHAPED[pattern](chord.symbol, shape, neck) for chord, shape in zip(chords, shapes, strict=True))
