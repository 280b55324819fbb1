"""How a shape is played for a bar: strummed, or picked by thumb and fingers."""

from __future__ import annotations

from core.tablature.score import Bar, Beat, Stroke, TabNote, note_at
from core.theory.neck import Neck
from core.theory.voicings import Shape

_STRUM: tuple[tuple[int, Stroke], ...] = (
    (2, "down"), (1, "down"), (2, "up"), (1, "up"), (1, "down"), (1, "up"),
)  # fmt: skip
"""Down, down-up, up-down-up: the hand goes down on the beats and up between them, and misses the third beat."""

_STRINGS_OF_AN_UP_STROKE = 4
"""Coming back, the hand meets the strings that are nearest to it, and leaves the bass alone."""

_THUMB = (0, 1, 0, 1)
_FINGERS = (-2, -1, -2, -1)
"""Travis picking: the thumb alternates between the two lowest strings, on the beats; between them, two fingers take the
two highest in turn."""


def strum(symbol: str, shape: Shape, neck: Neck) -> Bar:
    """The whole chord, in eighths, down and up."""
    notes = sounding(shape, neck)
    beats = [
        Beat(notes if stroke == "down" else notes[-_STRINGS_OF_AN_UP_STROKE:], eighths, stroke)
        for eighths, stroke in _STRUM
    ]
    return Bar(symbol, tuple(beats))


def fingerpicking(symbol: str, shape: Shape, neck: Neck) -> Bar:
    """One string after another, in eighths; the first is a pinch of the bass and the highest string."""
    rising = sorted(sounding(shape, neck), key=lambda note: note.pitch)
    beats: list[Beat] = []
    for thumb, finger in zip(_THUMB, _FINGERS, strict=True):
        together = [rising[thumb]] if beats else [rising[thumb], rising[-1]]
        beats += [Beat(_in_order(together), 1), Beat((rising[finger],), 1)]
    return Bar(symbol, tuple(beats))


def sounding(shape: Shape, neck: Neck) -> tuple[TabNote, ...]:
    """The notes of a shape, from the tuning's first string to its last."""
    return tuple(note_at(neck, index, fret) for index, fret in enumerate(shape.frets) if fret is not None)


def _in_order(notes: list[TabNote]) -> tuple[TabNote, ...]:
    return tuple(sorted(notes, key=lambda note: -note.string))
