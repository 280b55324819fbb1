"""What each instrument plays in one bar of 4/4, by style, written as a step sequencer shows it.

A lane is one sound: a drum, a degree of the chord, a way to strum, or the number of a chord tone. Its grid divides
the four beats evenly: 16 steps are sixteenths, 12 are triplets, which is how the jazz bars swing. A digit is a hit and
its velocity in ninths, ``-`` holds the note, ``.`` is silence.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

BEATS_PER_BAR = 4
"""Of the patterns."""
GROUPS: Mapping[int, tuple[int, ...]] = {2: (2,), 3: (3,), 4: (4,), 5: (3, 2), 6: (3, 3), 7: (4, 3)}
"""How other bars are put together, each group the pattern from its beginning: 5/4 is most often felt as 3 + 2."""
FALLBACK_STYLE = "pop"

Grid = Mapping[str, str]
"""Lane to grid."""

DRUMS: Mapping[str, Grid] = {
    "rock": {
        "kick": "9...6.7.9...6...",
        "snare": "....9.......9...",
        "hat": "7.5.7.5.7.5.7.5.",
    },
    "pop": {
        "kick": "9...6...8.7.6...",
        "snare": "....8.......8...",
        "hat": "5.7.5.7.5.7.5...",
        "open": "..............5.",
    },
    "jazz": {
        "kick": "5..4..5..4..",
        "ride": "7..8.58..8.5",
        "hat": "...6.....6..",
        "rim": "........3...",
    },
    "electronic": {
        "kick": "9...9...9...9...",
        "snare": "....7.......7..3",
        "hat": "4.434.434.434.43",
        "open": "..6...6...6...6.",
    },
    "ballad": {
        "kick": "8...4...6...4...",
        "rim": "....6.......6...",
        "hat": "5...4...5...4...",
    },
}

BASS: Mapping[str, Grid] = {
    "rock": {"root": "9-7-8-7-9-7-8-7-"},
    "pop": {"root": "9----.7-8---....", "fifth": "............7--."},
    "jazz": {"root": "8--.........", "third": "...7--......", "fifth": "......8--...", "approach": ".........7--"},
    "electronic": {"root": "9-..9-..9-..9-..", "octave": "..7-..7-..7-..7-"},
    "ballad": {"root": "8----------.....", "fifth": "............6---"},
}

GUITAR: Mapping[str, Grid] = {
    "rock": {"down": "9---7-..9---7-..", "mute": "......6.......6."},
    "pop": {"down": "8---....7-......", "up": "......5-..6-5---"},
    "jazz": {"down": "6-.8-.6-.8-."},
    "electronic": {"down": "8-..............", "mute": "...6..6...7..6.."},
    "ballad": {"1": "7---------------", "2": "..6-------------", "3": "....6---....5---", "4": "......6---......"},
}

VOCALS: Mapping[str, Grid] = {
    "rock": {"sing": "8---6-7-8-----.."},
    "pop": {"sing": "7-6-8-----6-7---"},
    "jazz": {"sing": "..67----6-7-"},
    "electronic": {"sing": "8-----7-----6..."},
    "ballad": {"sing": "7-------6---7---"},
}

PIANO: Mapping[str, Grid] = {
    "rock": {"low": "8-------8-------", "chord": "7-7-7-7-7-7-7-7-"},
    "pop": {"low": "8-----7-........", "chord": "7---6---7---6---"},
    "jazz": {"low": "6-----------", "chord": "7----8--...."},
    "electronic": {"low": "8---------------", "chord": "8--7--8---7--7--"},
    "ballad": {"low": "7---------------", "1": "6---------------", "2": "..5-....5-......", "3": "....6-....6-...."}
    | {"4": "......5-....6---"},
}

SYNTH: Mapping[str, Grid] = {
    "rock": {"chord": "8---------7-----"},
    "pop": {"chord": "8-------7-------"},
    "jazz": {"chord": "7----7------"},
    "electronic": {"chord": "4-7-5-7-4-7-5-7-"},
    "ballad": {"chord": "7---------------"},
}

OTHER: Mapping[str, Grid] = {
    "rock": {"1": "8---........6---", "3": "....7---........", "4": "........8---...."},
    "pop": {"1": "8-......6-......", "2": "..6-........6-..", "3": "....7-....6-....", "4": "......6-......7-"},
    "jazz": {"1": "7--.........", "2": "...6-.......", "3": ".....7---...", "4": ".........6--"},
    "electronic": {"1": "8.....7.....6...", "2": "..6.....6.....6.", "3": "....7.....7.....", "4": "...5...5...5...5"},
    "ballad": {"1": "6-------........", "3": "........5-------"},
}

PATTERNS: Mapping[str, Mapping[str, Grid]] = {
    "drums": DRUMS,
    "bass": BASS,
    "guitar": GUITAR,
    "vocals": VOCALS,
    "piano": PIANO,
    "synth": SYNTH,
    "other": OTHER,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One hit of a lane: when and for how long in beats, how hard (0 to 1), and how late the player is."""

    beat: float
    beats: float
    lane: str
    velocity: float
    late_seconds: float = 0.0


def style_named(text: str) -> str:
    """The style that a free text means: its first word that is one, else ``pop``."""
    words = re.findall(r"[a-z]+", text.lower())
    return next((word for word in words if word in DRUMS), FALLBACK_STYLE)


def bar_of(stem_type: str, style: str, beats_per_bar: int = BEATS_PER_BAR) -> list[Step]:
    """The plain bar of a stem, in order of time."""
    grid = PATTERNS[stem_type][style]
    pattern = sorted((step for lane, cells in grid.items() for step in _steps(lane, cells)), key=lambda step: step.beat)
    starts = itertools.accumulate(GROUPS[beats_per_bar], initial=0)
    return [
        replace(step, beat=start + step.beat, beats=min(step.beats, beats - step.beat))
        for start, beats in zip(starts, GROUPS[beats_per_bar], strict=False)  # the last start is the bar's end
        for step in pattern
        if step.beat < beats
    ]


def _steps(lane: str, cells: str) -> Iterator[Step]:
    beats_per_cell = BEATS_PER_BAR / len(cells)
    for hit in re.finditer(r"[1-9]-*", cells):
        yield Step(hit.start() * beats_per_cell, len(hit[0]) * beats_per_cell, lane, int(hit[0][0]) / 9)
