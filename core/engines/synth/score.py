"""A request turned into timed notes, bar by bar."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from core.engines.synth.grid import EARLIEST_SECONDS, Stretch, grid_of
from core.engines.synth.oscillators import frames_of
from core.engines.synth.parts import PARTS, Bar, Note
from core.engines.synth.patterns import PATTERNS, Step, bar_of, style_named
from core.engines.synth.variation import vary, with_fill
from core.ports import StemRequest
from core.theory.chords import parse_chord

_NO_CHORD = parse_chord("C")  # what drums are told, who play none
_SHORTEST_BEATS = 1 / 8
"""What a change of chord leaves of a note is played if it is at least so long."""
_LEADING_DEGREES = ("third", "fifth", "approach")
"""Of a bass line: under a new chord they would hide the change."""
_LIFTS = (0, 3, -4)
_BAR_STREAM, _TAKE_STREAM = 1, 2


@dataclass(frozen=True, slots=True)
class TimedNote:
    """A note in its place.

    Attributes:
        start: frame of the stem at which it begins.
        frames: how long it is held; what rings on after that is the sound's affair.
        velocity: 0 to 1.
        pan: −1 (left) to 1.
    """

    start: int
    frames: int
    sound: str
    pitch: int
    velocity: float
    pan: float


def random_stream(request: StemRequest, *key: int) -> np.random.Generator:
    """Random numbers that depend on the seed, the stem and a key, and on nothing drawn elsewhere."""
    stem = zlib.crc32(request.stem_type.encode())
    return np.random.Generator(np.random.PCG64([abs(request.seed), request.seed < 0, stem, *key]))


class Score:
    """The notes of one stem.

    Raises:
        ChordError: a symbol of the request is not a chord.
        ValueError: an unknown stem type, or a timeline that makes no sense.
    """

    def __init__(self, request: StemRequest) -> None:
        if request.stem_type not in PATTERNS:
            raise ValueError(f"unknown stem type {request.stem_type!r}: expected one of {', '.join(PATTERNS)}")
        self.style = style_named(request.style)
        self.total_frames = frames_of(request.duration_seconds)
        self._request = request
        self._grid = grid_of(request)
        self._plain = bar_of(request.stem_type, self.style, self._grid.beats_per_bar)
        self._contour = float(random_stream(request, _TAKE_STREAM).random())

    def bars(self) -> Iterator[tuple[int, list[TimedNote]]]:
        """Yield each bar's first frame and its notes. No note begins before its own bar, or before the stem."""
        index = self._grid.first_bar
        while (start := self._frame_at(index, 0)) < self.total_frames:
            yield start, self._notes(index, max(start, 0))
            index += 1

    def _notes(self, index: int, bar_start: int) -> list[TimedNote]:
        rng = random_stream(self._request, _BAR_STREAM, index % 2**32)
        bar = self._bar(index, rng)
        stretches = self._stretches(index)
        part = PARTS[self._request.stem_type]
        frames_per_beat = self._grid.frames_per_beat(index)
        return [
            self._timed(note, played, index, bar_start, frames_per_beat)
            for step in self._steps(index, rng)
            for stretch in stretches
            for played in _under(step, stretch)
            if self._frame_at(index, played.beat) >= frames_of(EARLIEST_SECONDS)
            for note in part(played, replace(bar, chord=stretch.chord, following=stretch.following))
        ]

    def _stretches(self, index: int) -> list[Stretch]:
        if self._request.stem_type == "drums":
            return [Stretch(0, self._grid.beats_per_bar, _NO_CHORD, _NO_CHORD)]
        return self._grid.stretches(index)

    def _steps(self, index: int, rng: np.random.Generator) -> list[Step]:
        temperature, beats_per_bar = self._request.temperature, self._grid.beats_per_bar
        steps = self._plain
        if self._request.stem_type == "drums":
            steps = with_fill(steps, index, temperature, rng, beats_per_bar)
        return vary(steps, temperature, rng, beats_per_bar)

    def _bar(self, index: int, rng: np.random.Generator) -> Bar:
        """The bar before its chords are known: the warmer the take, another inversion and a melody that wanders."""
        inversion, wander = rng.random(2)
        lifted = inversion < 0.3 * self._request.temperature
        return Bar(
            index=index,
            beats=self._grid.beats_per_bar,
            chord=_NO_CHORD,
            following=_NO_CHORD,
            lift=_LIFTS[int(inversion * 1000) % len(_LIFTS)] if lifted else 0,
            contour=self._contour + 0.25 * self._request.temperature * (wander - 0.5),
        )

    def _timed(self, note: Note, step: Step, index: int, bar_start: int, frames_per_beat: float) -> TimedNote:
        on_beat = self._frame_at(index, step.beat)
        start = max(bar_start, on_beat + frames_of(step.late_seconds)) + frames_of(note.delay_seconds)
        # whole beats from zero, not from the note's own start: equal lengths must stay equal to share one sound
        frames = round(step.beats * frames_per_beat)
        return TimedNote(start, frames, note.sound, note.pitch, step.velocity, note.pan)

    def _frame_at(self, index: int, beat: float) -> int:
        return self._grid.frame_at(index * self._grid.beats_per_bar + beat)


def _under(step: Step, stretch: Stretch) -> Iterator[Step]:
    """What of a step is played under one chord: it is played anew where the chord changes while it is held."""
    stop = step.beat + step.beats
    if stretch.start <= step.beat < stretch.stop:
        lane = "root" if step.beat == stretch.start and step.lane in _LEADING_DEGREES else step.lane
        beats = stretch.stop - step.beat if stop > stretch.stop + _SHORTEST_BEATS else step.beats
        yield replace(step, beats=beats, lane=lane)
    elif step.beat < stretch.start <= stop - _SHORTEST_BEATS:
        lane = "root" if step.lane in _LEADING_DEGREES else step.lane
        yield replace(step, beat=stretch.start, beats=min(stop, stretch.stop) - stretch.start, lane=lane)
