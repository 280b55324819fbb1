"""The search behind chord shapes: every choice of frets that can be one, and as few others as possible.

String by string, the choices so far grow by one more; what breaks a rule already is dropped at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import nsmallest
from typing import NamedTuple

from core.theory.fingering import MOST_FINGERS, reach
from core.theory.neck import Neck

Frets = tuple[int | None, ...]

FEWEST_SOUNDING = 3
_MOST_INNER_MUTES = 1
_MOST_TREBLE_MUTES = 3
_MOST_PARTIALS = 1000
"""More than any chord has on a usual tuning; one whose strings all have the same name has ten times as many."""


@dataclass(frozen=True)
class Wanted:
    """What a shape has to sound.

    Attributes:
        allowed: the pitch classes that may sound.
        essential: those that should.
        bass: the pitch class of the lowest note, ``None`` for any.
        lacking: how many of the essential ones may be missing.
    """

    allowed: frozenset[int]
    essential: frozenset[int]
    bass: int | None = None
    lacking: int = 0


class _Partial(NamedTuple):
    """The strings up to one, and what bounds the rest of the search."""

    frets: Frets = ()
    missing: int = 0
    """The essential pitch classes that were not heard yet, a bit for each."""
    sounding: int = 0
    held: int = 0
    above: int = 0
    """How many are held above the lowest fret: the index is on that one, so three fingers are left for them."""
    mutes: int = 0
    """Those since the last string that sounds."""
    inner_mutes: int = 0
    barre: bool | None = None
    """Whether the index could lie flat: ``None`` until it holds a string, ``False`` after an open or muted one."""


def candidates(position: int, wanted: Wanted, neck: Neck) -> Iterator[Frets]:
    """Every choice of frets whose lowest one is ``position``; 0 asks for those that need no finger.

    A fret is ``None`` for a muted string. At most one string is muted between two that sound.
    """
    search = _Search(position, wanted, neck)
    partials = [_Partial(missing=sum(1 << tone for tone in wanted.essential))]
    for index in range(neck.strings):
        partials = [grown for partial in partials for grown in search.grown(partial, index)]
        if len(partials) > _MOST_PARTIALS:
            partials = nsmallest(_MOST_PARTIALS, partials, key=_promise)
    for partial in partials:
        if partial.sounding >= FEWEST_SOUNDING and (position == 0 or position in partial.frets):
            frets = partial.frets
            if wanted.bass is None or _lowest(frets, neck) % 12 == wanted.bass:
                yield frets


def _lowest(frets: Frets, neck: Neck) -> int:
    return min(pitch + fret for pitch, fret in zip(neck.open_pitches, frets, strict=True) if fret is not None)


def _promise(partial: _Partial) -> tuple[int, int]:
    return partial.inner_mutes + partial.mutes, partial.held


class _Search:
    def __init__(self, position: int, wanted: Wanted, neck: Neck) -> None:
        self._position = position
        self._lacking = wanted.lacking
        self._strings = neck.strings
        top = min(position + reach(position, neck.capo) - 1, neck.highest_fret) if position else 0
        within = [0, *range(max(position, 1), top + 1)]
        self._choices = [
            [(fret, ~(1 << (pitch + fret) % 12)) for fret in within if (pitch + fret) % 12 in wanted.allowed]
            for pitch in neck.open_pitches
        ]
        self._first = [
            [each for each in choices if wanted.bass is None or each[1] == ~(1 << wanted.bass)]
            for choices in self._choices
        ]
        if neck.is_reentrant:
            self._first = self._choices

    def grown(self, partial: _Partial, index: int) -> Iterator[_Partial]:
        """The partial with one string more, in every way that breaks no rule."""
        strings_left = self._strings - index - 1
        if partial.missing.bit_count() <= self._lacking + strings_left and self._may_mute(partial, strings_left):
            mutes = partial.mutes + (partial.sounding > 0)
            yield partial._replace(frets=(*partial.frets, None), mutes=mutes)
        if partial.inner_mutes + partial.mutes > _MOST_INNER_MUTES:
            return
        for fret, unheard in (self._choices if partial.sounding else self._first)[index]:
            missing = partial.missing & unheard
            if missing.bit_count() <= self._lacking + strings_left:
                yield from self._sounding(partial, fret, missing)

    def _may_mute(self, partial: _Partial, strings_left: int) -> bool:
        return partial.sounding + strings_left >= FEWEST_SOUNDING and partial.mutes < _MOST_TREBLE_MUTES

    def _sounding(self, partial: _Partial, fret: int, missing: int) -> Iterator[_Partial]:
        """The partial with a string that sounds, if there are fingers enough."""
        frets, _, sounding, held, above, mutes, inner_mutes, barre = partial
        held, above = held + (fret > 0), above + (fret > self._position)
        if barre is None:
            barre = True if fret and fret == self._position else None
        elif mutes or fret == 0:
            barre = False
        if above < MOST_FINGERS and (held <= MOST_FINGERS or barre):
            yield _Partial((*frets, fret), missing, sounding + 1, held, above, 0, inner_mutes + mutes, barre)
