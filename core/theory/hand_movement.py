"""From shape to shape: of all the ways through a progression, the one on which the hands do least.

It is a shortest path through layers, one of shapes for each chord, found by dynamic programming, as Sayegh did for the
fretting hand (1989, *Fingering for string instruments with the optimum path paradigm*, Computer Music Journal 13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from core.theory.chords import Chord
from core.theory.neck import Neck
from core.theory.voicings import Level, Shape, chord_shapes

T = TypeVar("T")

_SHIFT = 0.6
"""For each fret that the hand moves along the neck."""
_PLACE = 0.3
"""For each finger that comes down in another place."""


class UnplayableChord(ValueError):
    """No hand can hold the chord on this neck; ``index`` is its place in the progression."""

    def __init__(self, index: int, chord: Chord, neck: Neck) -> None:
        super().__init__(f"{chord.symbol} cannot be held on {' '.join(neck.notes)} with {neck.highest_fret} frets")
        self.index = index


def easiest_path(layers: Sequence[Sequence[T]], cost: Callable[[T], float], move: Callable[[T, T], float]) -> list[T]:
    """One element of each layer, so that the sum of their costs and of the moves between them is least.

    Of equal sums, the one whose elements stand first wins. No layer may be empty.
    """
    if not layers:
        return []
    sums = [cost(each) for each in layers[0]]
    came_from: list[list[int]] = []
    for before, layer in pairwise(layers):
        best = [_nearest(before, sums, each, move) for each in layer]
        came_from.append([index for _, index in best])
        sums = [total + cost(each) for (total, _), each in zip(best, layer, strict=True)]
    chosen = [min(range(len(sums)), key=sums.__getitem__)]
    for origins in reversed(came_from):
        chosen.append(origins[chosen[-1]])
    return [layer[index] for layer, index in zip(layers, reversed(chosen), strict=True)]


def _nearest(before: Sequence[T], sums: Sequence[float], each: T, move: Callable[[T, T], float]) -> tuple[float, int]:
    return min(
        (total + move(other, each), index) for index, (other, total) in enumerate(zip(before, sums, strict=True))
    )


def movement(before: Shape, after: Shape) -> float:
    """What the fretting hand does between two shapes: how far it shifts, and how many fingers come down anew.

    A finger that holds the same string on the same fret in both stays where it is. Open strings leave time to shift.
    """
    shift = abs(before.position - after.position) if before.position and after.position else 0
    return _SHIFT * shift + _PLACE * len(after.fingers_down - before.fingers_down)


def progression_shapes(chords: Sequence[Chord], neck: Neck, level: Level = "any") -> list[Shape]:
    """A shape for each chord, so that shapes and the moves between them are easy altogether.

    Raises ``UnplayableChord`` for the first that no hand can hold on this neck.
    """
    layers = [chord_shapes(chord, neck, level) for chord in chords]
    for index, (chord, shapes) in enumerate(zip(chords, layers, strict=True)):
        if not shapes:
            raise UnplayableChord(index, chord, neck)
    return easiest_path(layers, lambda shape: shape.cost, movement)
