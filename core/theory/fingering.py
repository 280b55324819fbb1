"""The fretting hand: which finger holds which string, and what no hand can hold.

The model is the one that teachers use: four fingers, 1 (index) to 4 (little finger); in a position each finger has a
fret of its own; the index alone may lie flat, as a barre.

How far the hand reaches is a length, and frets stand closer the higher they are: on a string of the length L, fret n is
L · (1 − 2^(−n/12)) away from the nut (equal temperament). On a guitar's 650 mm, frets 1 and 4 are 98 mm apart, and so
are, within 3 mm, frets 5 and 9. So a hand covers four frets, and five from the fifth on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MOST_FINGERS = 4
_WIDE_FROM_FRET = 5


@dataclass(frozen=True)
class Barre:
    """The index finger, lying flat.

    Attributes:
        fret: counted from the capo.
        lowest: the index of the first string it holds down, in the tuning's order; it lies across all that follow.
    """

    fret: int
    lowest: int


@dataclass(frozen=True)
class Fingering:
    """Which finger holds each string: 1 to 4, or 0 for one that is open or muted."""

    fingers: tuple[int, ...]
    barre: Barre | None = None

    @property
    def count(self) -> int:
        """How many fingers are in use."""
        return len(set(self.fingers) - {0})


def reach(lowest_fret: int, capo: int = 0) -> int:
    """How many frets the hand covers from this one on, which counts from the capo."""
    return 4 if lowest_fret + capo < _WIDE_FROM_FRET else 5


def fingering_of(frets: Sequence[int | None], capo: int = 0) -> Fingering | None:
    """How to hold these frets, ``None`` if no hand can. A string's fret is ``None`` for muted and 0 for open.

    The index lies flat where it would take four fingers or more otherwise.
    """
    held = sorted((fret, index) for index, fret in enumerate(frets) if fret)
    if not held:
        return Fingering((0,) * len(frets))
    if held[-1][0] - held[0][0] >= reach(held[0][0], capo):
        return None
    if len(held) >= MOST_FINGERS:
        barre = _barre_of(frets, *held[0])
        flat = [place for place in held if barre and place[0] == barre.fret]
        if len(flat) > 1 and len(held) - len(flat) < MOST_FINGERS:
            return Fingering(_assigned(len(frets), flat, held[len(flat) :]), barre)
    return Fingering(_assigned(len(frets), held[:1], held[1:])) if len(held) <= MOST_FINGERS else None


def _barre_of(frets: Sequence[int | None], fret: int, lowest: int) -> Barre | None:
    """A flat finger leaves no higher string open, and mutes none between those that sound."""
    last = max(index for index, each in enumerate(frets) if each is not None)
    return Barre(fret, lowest) if all(frets[lowest : last + 1]) else None


def _assigned(strings: int, index: Sequence[tuple[int, int]], others: Sequence[tuple[int, int]]) -> tuple[int, ...]:
    """One finger a fret as far as there are fingers; on one fret, the finger that is nearer to the index holds the
    lower string."""
    fingers = [0] * strings
    for _, string in index:
        fingers[string] = 1
    previous = 1
    for waiting, (fret, string) in enumerate(others, start=1 - len(others)):
        previous = max(previous + 1, min(1 + fret - index[0][0], MOST_FINGERS + waiting))
        fingers[string] = previous
    return tuple(fingers)
