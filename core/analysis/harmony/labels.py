"""How chords are written: Harte's labels for programs, symbols for players.

Harte, Sandler, Abdallah and Gómez (2005), *Symbolic representation of musical chords: a proposed syntax for text
annotations* (ISMIR): ``C:maj``, ``F#:min7``, ``N`` where there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.theory.keys import Key, key_on

NO_CHORD = "N"


@dataclass(frozen=True)
class Quality:
    """A kind of chord.

    Attributes:
        name: in Harte's notation.
        suffix: as players write it behind the root.
        intervals: semitones above the root, from 0 to 11.
    """

    name: str
    suffix: str
    intervals: tuple[int, ...]

    @property
    def leads(self) -> bool:
        """Whether its root leads upwards, and is spelled so: C♯dim, not D♭dim."""
        return {3, 6} <= set(self.intervals)


QUALITIES = (
    Quality("maj", "", (0, 4, 7)),
    Quality("min", "m", (0, 3, 7)),
    Quality("7", "7", (0, 4, 7, 10)),
    Quality("maj7", "maj7", (0, 4, 7, 11)),
    Quality("min7", "m7", (0, 3, 7, 10)),
    Quality("sus4", "sus4", (0, 5, 7)),
    Quality("sus2", "sus2", (0, 2, 7)),
    Quality("dim", "dim", (0, 3, 6)),
    Quality("aug", "aug", (0, 4, 8)),
    Quality("maj6", "6", (0, 4, 7, 9)),
    Quality("min6", "m6", (0, 3, 7, 9)),
    Quality("hdim7", "m7b5", (0, 3, 6, 10)),
    Quality("dim7", "dim7", (0, 3, 6, 9)),
)


@dataclass(frozen=True)
class HeardChord:
    """A chord without its spelling.

    Attributes:
        root: pitch class, 0 (C) to 11.
    """

    root: int
    quality: Quality

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """Its tones, root first."""
        return tuple((self.root + interval) % 12 for interval in self.quality.intervals)


def harte_label(chord: HeardChord | None, key: Key | None = None) -> str:
    """``F#:min7``, spelled as in the key; without one as in the chord's own; ``N`` for none."""
    return f"{_root_name(chord, key)}:{chord.quality.name}" if chord else NO_CHORD


def symbol_of(chord: HeardChord | None, key: Key | None = None) -> str:
    """``F#m7``, which ``core.theory.chords.parse_chord`` reads; ``N`` for none."""
    return f"{_root_name(chord, key)}{chord.quality.suffix}" if chord else NO_CHORD


def _root_name(chord: HeardChord, key: Key | None) -> str:
    if key is None:
        return key_on(chord.root, "minor" if 3 in chord.quality.intervals else "major").tonic
    return key.spell(chord.root, leading=chord.quality.leads)
