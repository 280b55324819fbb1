"""How a chord can be held on a neck: a search through every fret, and what each shape costs the player."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from heapq import nsmallest
from typing import Literal

from core.theory.chords import Chord
from core.theory.fingering import Fingering, fingering_of
from core.theory.fret_search import FEWEST_SOUNDING, Frets, Wanted, candidates
from core.theory.neck import Neck

Level = Literal["open", "barre", "any"]

MOST_SHAPES = 16
_SHAPES_OF_A_POSITION = 3
_HIGHEST_POSITION = 12
_FEWEST_ESSENTIAL = 2


@dataclass(frozen=True)
class Cost:
    """What makes a shape hard, in points of no unit. They were chosen so that the shapes of every chord book win.

    Attributes:
        position: for each fret that the hand is away from the first one.
        spans: by how many frets lie between the index and the farthest finger.
        finger: for each finger.
        gap: for each string that lies between two fingers on one fret.
        barred: for each string from the barre's first one on.
        bass_mute, inner_mute, treble_mute: for each string below, between and above those that sound.
        thin: for a shape of three strings.
        open_string, no_open_string: for each one that is open, and for a shape that has none.
    """

    position: float = 0.35
    spans: tuple[float, ...] = (0.0, 0.2, 0.8, 2.0, 4.5)
    finger: float = 0.5
    gap: float = 0.35
    barred: float = 0.1
    bass_mute: float = 0.9
    inner_mute: float = 4.5
    treble_mute: float = 3.2
    thin: float = 1.0
    open_string: float = 0.0
    no_open_string: float = 0.0


COSTS: dict[Level, Cost] = {
    "open": Cost(position=0.6, gap=0.45, barred=0.4, no_open_string=1.5),
    "barre": Cost(position=0.2, open_string=8.0),
    "any": Cost(),
}
"""``open`` looks for open strings near the nut and shuns the barre, ``barre`` for shapes that can be moved along the
neck, ``any`` for what is easiest."""

_MISSING_TONE = 12.0
_MISSING_ROOT = 8.0
_MISSING_FIFTH = 0.7
_MISSING_FIFTH_OF_SIXTH = 6.0
_MISSING_NINTH = 0.5
_ESSENTIAL = _MISSING_ROOT
"""What a tone costs, at least, that tells the chord apart."""


@dataclass(frozen=True)
class Shape:
    """One way to hold a chord.

    Attributes:
        frets: of each string in the tuning's order, counted from the capo: ``None`` muted, 0 open.
        fingering: which finger holds what.
        cost: as ``Cost`` counts it.
    """

    frets: Frets
    fingering: Fingering
    cost: float

    @cached_property
    def position(self) -> int:
        """The lowest fret that is held down; 0 if none is."""
        return min((fret for fret in self.frets if fret), default=0)

    @cached_property
    def fingers_down(self) -> frozenset[tuple[int, int, int]]:
        """Finger, fret and string of everything that is held; of a barre the lowest string stands for all."""
        barre = self.fingering.barre
        return frozenset(
            (finger, fret, barre.lowest if barre and finger == 1 else index)
            for index, (fret, finger) in enumerate(zip(self.frets, self.fingering.fingers, strict=True))
            if fret
        )

    def pitches(self, neck: Neck) -> tuple[int | None, ...]:
        """The MIDI number of each string, ``None`` for a muted one."""
        return tuple(
            None if fret is None else pitch + fret for fret, pitch in zip(self.frets, neck.open_pitches, strict=True)
        )


def missing_costs(chord: Chord) -> dict[int, float]:
    """The pitch classes that may sound, and what it costs to leave each one out.

    On few strings the perfect fifth goes first, then the ninth below a higher extension; the eleventh, which grates
    against the third, is no part of a thirteenth chord in practice. The others tell the chord apart, and stay; and so
    does the fifth of a sixth chord: C6 without its G would be A minor.
    """
    costs = {}
    for interval in chord.intervals:
        cost = _MISSING_ROOT if interval == 0 else _MISSING_TONE
        if interval == 7 and len(chord.intervals) > 2:
            cost = _MISSING_FIFTH_OF_SIXTH if chord.intervals[-1] == 9 else _MISSING_FIFTH
        if interval == 14 and chord.intervals[-1] > 14:
            cost = _MISSING_NINTH
        if interval != 17 or chord.intervals[-1] == 17:
            costs[(chord.root + interval) % 12] = cost
    return costs | {chord.bass: max(_ESSENTIAL, costs.get(chord.bass, 0.0))}


def chord_shapes(chord: Chord, neck: Neck, level: Level = "any") -> tuple[Shape, ...]:
    """The best shapes of the chord, at most ``MOST_SHAPES``, the cheapest first, and at most three of a position.

    Only the chord's tones and its bass sound, and the bass is the lowest of them. On a re-entrant tuning, whose players
    leave the bass to others, another tone may be, unless a slash asks for it; and so where there is no other way.
    """
    plain = Chord("", chord.root, chord.intervals, chord.bass)  # Am and Amin are found once
    return _search(plain, neck, level)


@lru_cache(maxsize=1024)
def _search(chord: Chord, neck: Neck, level: Level) -> tuple[Shape, ...]:
    tones = missing_costs(chord)
    essential = frozenset(tone for tone, cost in tones.items() if cost >= _ESSENTIAL)
    cost = _cost_of(chord, level)
    basses = (None,) if neck.is_reentrant and chord.bass == chord.root else (chord.bass, None)
    for bass in basses:
        for lacking in range(max(len(essential) - _FEWEST_ESSENTIAL, 0) + 1):
            if found := _best(Wanted(frozenset(tones), essential, bass, lacking), tones, neck, cost):
                return tuple(found)
    return ()


def _cost_of(chord: Chord, level: Level) -> Cost:
    """A power chord lives on three low strings."""
    cost = COSTS[level]
    return replace(cost, treble_mute=0.2, thin=0.0) if len(chord.intervals) == 2 else cost


def _best(wanted: Wanted, tones: dict[int, float], neck: Neck, cost: Cost) -> list[Shape]:
    """The search goes up the neck, and stops where the position alone costs more than all that was found."""
    best: list[Shape] = []
    for position in range(min(_HIGHEST_POSITION, neck.highest_fret) + 1):
        if len(best) == MOST_SHAPES and best[-1].cost <= cost.position * (position - 1):
            break
        shapes = [
            Shape(frets, fingering, missing(frets, tones, neck) + effort(frets, fingering, cost))
            for frets in candidates(position, wanted, neck)
            if (fingering := fingering_of(frets, neck.capo)) is not None
        ]
        best = nsmallest(MOST_SHAPES, best + nsmallest(_SHAPES_OF_A_POSITION, shapes, key=_order), key=_order)
    return best


def _order(shape: Shape) -> tuple[float, list[int]]:
    return shape.cost, [-1 if fret is None else fret for fret in shape.frets]


def missing(frets: Frets, tones: dict[int, float], neck: Neck) -> float:
    """What the tones cost that these frets leave out."""
    heard = {(pitch + fret) % 12 for pitch, fret in zip(neck.open_pitches, frets, strict=True) if fret is not None}
    return sum(cost for tone, cost in tones.items() if tone not in heard)


def effort(frets: Frets, fingering: Fingering, cost: Cost) -> float:
    """What holding these frets costs."""
    held = [fret for fret in frets if fret]
    sounding = [index for index, fret in enumerate(frets) if fret is not None]
    first, last = sounding[0], sounding[-1]
    opened = frets.count(0)
    return (
        cost.position * (min(held) - 1 if held else 0)
        + cost.spans[max(held) - min(held) if held else 0]
        + cost.finger * fingering.count
        + cost.gap * _gaps(frets, fingering)
        + cost.barred * (len(frets) - fingering.barre.lowest if fingering.barre else 0)
        + cost.bass_mute * first
        + cost.inner_mute * (last + 1 - first - len(sounding))
        + cost.treble_mute * (len(frets) - 1 - last)
        + cost.thin * (len(sounding) == FEWEST_SOUNDING)
        + (cost.open_string * opened if opened else cost.no_open_string)
    )


def _gaps(frets: Frets, fingering: Fingering) -> int:
    """How many strings lie between fingers that share a fret."""
    last: dict[int, int] = {}
    gaps = 0
    for index, (fret, finger) in enumerate(zip(frets, fingering.fingers, strict=True)):
        if fret and not (fingering.barre and finger == 1):
            gaps += index - last.get(fret, index - 1) - 1
            last[fret] = index
    return gaps
