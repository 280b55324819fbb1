"""A request turned into timed notes, bar by bar."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from core.engines.synth.oscillators import SAMPLE_RATE, frames_of
from core.engines.synth.parts import PARTS, Bar, Note
from core.engines.synth.patterns import BEATS_PER_BAR, PATTERNS, Step, bar_of, style_named
from core.engines.synth.variation import vary, with_fill
from core.ports import StemRequest
from core.theory.chords import Chord, parse_chord

DEFAULT_CHORDS = ("C", "G", "Am", "F")
"""Played when a request names none."""
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
        ValueError: an unknown stem type.
    """

    def __init__(self, request: StemRequest) -> None:
        if request.stem_type not in PATTERNS:
            raise ValueError(f"unknown stem type {request.stem_type!r}: expected one of {', '.join(PATTERNS)}")
        self.style = style_named(request.style)
        self.total_frames = frames_of(request.duration_seconds)
        self._request = request
        self._chords = [parse_chord(symbol) for symbol in request.chords or DEFAULT_CHORDS]
        self._plain = bar_of(request.stem_type, self.style)
        self._frames_per_beat = SAMPLE_RATE * 60 / request.tempo_bpm
        self._contour = float(random_stream(request, _TAKE_STREAM).random())

    def bars(self) -> Iterator[tuple[int, list[TimedNote]]]:
        """Yield each bar's first frame and its notes. No note begins before its own bar."""
        index = 0
        while (start := self._frame_at(index * BEATS_PER_BAR)) < self.total_frames:
            yield start, self._notes(index, start)
            index += 1

    def _notes(self, index: int, bar_start: int) -> list[TimedNote]:
        rng = random_stream(self._request, _BAR_STREAM, index)
        bar = self._bar(index, rng)
        part = PARTS[self._request.stem_type]
        steps = self._steps(index, rng)
        return [self._timed(note, step, index, bar_start) for step in steps for note in part(step, bar)]

    def _steps(self, index: int, rng: np.random.Generator) -> list[Step]:
        temperature = self._request.temperature
        steps = self._plain
        if self._request.stem_type == "drums":
            steps = with_fill(steps, index, temperature, rng)
        return vary(steps, temperature, rng)

    def _bar(self, index: int, rng: np.random.Generator) -> Bar:
        """The bar's chord and, the warmer the take, another inversion and a melody that wanders."""
        inversion, wander = rng.random(2)
        lifted = inversion < 0.3 * self._request.temperature
        return Bar(
            index=index,
            chord=self._chord(index),
            following=self._chord(index + 1),
            lift=_LIFTS[int(inversion * 1000) % len(_LIFTS)] if lifted else 0,
            contour=self._contour + 0.25 * self._request.temperature * (wander - 0.5),
        )

    def _chord(self, index: int) -> Chord:
        return self._chords[index % len(self._chords)]

    def _timed(self, note: Note, step: Step, index: int, bar_start: int) -> TimedNote:
        on_beat = self._frame_at(index * BEATS_PER_BAR + step.beat)
        start = max(bar_start, on_beat + frames_of(step.late_seconds)) + frames_of(note.delay_seconds)
        # whole beats from zero, not from the note's own start: equal lengths must stay equal to share one sound
        frames = round(step.beats * self._frames_per_beat)
        return TimedNote(start, frames, note.sound, note.pitch, step.velocity, note.pan)

    def _frame_at(self, beat: float) -> int:
        """Counted from the start of the stem, so that rounding never adds up."""
        return round(beat * self._frames_per_beat)
