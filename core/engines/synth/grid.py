"""Where the beats of a stem lie, and which chords sound on them: at one tempo, or along a timeline.

Beats are counted from the first of bar 0.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from core.engines.synth.oscillators import SAMPLE_RATE
from core.engines.synth.patterns import BEATS_PER_BAR
from core.ports import StemRequest, Timeline
from core.theory.beat_map import BeatMap
from core.theory.chords import Chord, parse_chord

DEFAULT_CHORDS = ("C", "G", "Am", "F")
"""Played when a request names none."""

EARLIEST_SECONDS = -0.03
"""A beat so little before the start is played at the start: a beat that was heard is not found to the sample."""

_TEMPO_STEP = 0.02
"""How long notes are held follows the tempo in steps of 2 %: lengths that differ less share their sounds."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a bar that has one chord.

    Attributes:
        start: its first beat, counted from the bar's, and ``stop`` where it ends.
        following: the chord to lead to: the next one up to the beginning of the next bar.
    """

    start: float
    stop: float
    chord: Chord
    following: Chord


class Grid(Protocol):
    """Bars and beats in frames of the stem.

    Attributes:
        first_bar: 0, or −1 if the stem begins within a bar.
    """

    beats_per_bar: int
    first_bar: int

    def frame_at(self, beat: float) -> int:
        """The frame of a beat, whole or not; negative before the start."""
        ...

    def frames_per_beat(self, bar: int) -> float:
        """What a beat's length in a bar is taken to be, for how long notes are held."""
        ...

    def stretches(self, bar: int) -> list[Stretch]:
        """The bar's chords; where there is none, there is no stretch."""
        ...


def grid_of(request: StemRequest) -> Grid:
    """The grid that a request asks for. Raises ``ChordError``, or ``ValueError`` for a timeline that makes no sense."""
    if request.timeline is not None:
        return MappedGrid(request.timeline)
    return SteadyGrid(request.tempo_bpm, request.chords or DEFAULT_CHORDS)


class SteadyGrid:
    """One tempo from the start on, and a chord a bar."""

    beats_per_bar = BEATS_PER_BAR
    first_bar = 0

    def __init__(self, tempo_bpm: float, chords: Sequence[str]) -> None:
        self._chords = [parse_chord(symbol) for symbol in chords]
        self._frames_per_beat = SAMPLE_RATE * 60 / tempo_bpm

    def frame_at(self, beat: float) -> int:
        """Counted from the start of the stem, so that rounding never adds up."""
        return round(beat * self._frames_per_beat)

    def frames_per_beat(self, bar: int) -> float:
        return self._frames_per_beat

    def stretches(self, bar: int) -> list[Stretch]:
        here, there = (self._chords[index % len(self._chords)] for index in (bar, bar + 1))
        return [Stretch(0, self.beats_per_bar, here, there)]


class MappedGrid:
    """The beats and chords of a timeline. Bar 0 is the first that begins within the stem."""

    def __init__(self, timeline: Timeline) -> None:
        if not 2 <= timeline.beats_per_bar <= 7 or not timeline.chords:
            raise ValueError("a timeline has 2 to 7 beats a bar, and at least one entry in chords")
        self.beats_per_bar = timeline.beats_per_bar
        self._map = BeatMap(timeline.beats)
        earliest = self._map.beat_at(EARLIEST_SECONDS)
        before = timeline.first_position - 1  # beats of its bar that lie before the first
        self._origin = math.ceil((earliest + before) / self.beats_per_bar) * self.beats_per_bar - before
        self.first_bar = -1 if self.frame_at(0) > 0 else 0
        self._places = [place - self._origin for place, _ in timeline.chords]
        symbols = {symbol: parse_chord(symbol) for _, symbol in timeline.chords if symbol is not None}
        self._chords = [None if symbol is None else symbols[symbol] for _, symbol in timeline.chords]

    def frame_at(self, beat: float) -> int:
        return round(self._map.seconds_at(beat + self._origin) * SAMPLE_RATE)

    def frames_per_beat(self, bar: int) -> float:
        """The mean over the bar, which does not tremble as single beats do, in steps of ``_TEMPO_STEP``."""
        start = bar * self.beats_per_bar
        mean = (self.frame_at(start + self.beats_per_bar) - self.frame_at(start)) / self.beats_per_bar
        return math.exp(round(math.log(mean) / _TEMPO_STEP) * _TEMPO_STEP)

    def stretches(self, bar: int) -> list[Stretch]:
        start = bar * self.beats_per_bar
        stop = start + self.beats_per_bar
        first, last = self._index_at(start), bisect_left(self._places, stop)
        found = []
        for index in range(first, max(last, first + 1)):
            chord, following = self._chords[index], self._next(index, stop)
            if chord is not None:
                begins = self._places[index] if index > first else start
                ends = min(self._places[index + 1], stop) if index + 1 < len(self._places) else stop
                found.append(Stretch(begins - start, ends - start, chord, following or chord))
        return found

    def _next(self, index: int, stop: float) -> Chord | None:
        """The chord after this one, if it begins up to the beat ``stop``."""
        if index + 1 < len(self._places) and self._places[index + 1] <= stop:
            return self._chords[index + 1]
        return None

    def _index_at(self, beat: float) -> int:
        """Of the chord that sounds there; the first holds from the very start."""
        return max(bisect_right(self._places, beat) - 1, 0)
