"""The chords of a piece, in time.

The likeliest path through ``ChordModel``. Where beats are known, chords change on them, unless what is heard says
clearly otherwise. Long music is taken in stretches that overlap, so that memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chord_model import ChordModel
from core.analysis.harmony.chroma import Chroma
from core.analysis.harmony.decoding import likeliest_path, posteriors
from core.analysis.harmony.keys import find_key, key_at
from core.analysis.result import ChordSpan, Tuning
from core.theory.keys import Key

Array = NDArray[np.float64]
Matrix = NDArray[np.float32]

_STRETCH_FRAMES, _MARGIN_FRAMES = 4096, 256  # 6 min, 24 s: far beyond what one chord says about another
_STAYS = 0.95  # a chord lasts 2 s
_STAYS_ON_BEAT, _STAYS_OFF_BEAT = 0.75, 0.9998
_GAP = 1.8  # beats further from each other, in medians, leave a gap where none were found
_EARLY_SECONDS = 0.02  # a new chord, louder than the end of the old one, is heard a little before a window's centre
_INDEPENDENT = 0.5  # neighbouring windows overlap by three quarters: every other frame says little new


@dataclass(frozen=True)
class _Heard:
    """A stretch in one state."""

    start_seconds: float
    end_seconds: float
    state: int
    confidence: float

    def named(self, model: ChordModel, key: Key | None = None) -> ChordSpan:
        return ChordSpan(
            start_seconds=self.start_seconds,
            end_seconds=self.end_seconds,
            label=model.label(self.state, key),
            symbol=model.symbol(self.state, key),
            confidence=self.confidence,
        )


def recognise_chords(
    chroma: Chroma, tuning: Tuning, beats: NDArray[np.floating], duration_seconds: float
) -> tuple[ChordSpan, ...]:
    """The chords from 0 to ``duration_seconds`` without a gap, ``N`` where there is none.

    ``beats`` ``[B]`` are in seconds, ascending; there may be none. Roots are spelled as in the key that the chords are
    in. A span's confidence is the mean posterior probability of its chord.
    """
    model = ChordModel()
    if not len(chroma):
        return (_Heard(0.0, duration_seconds, 0, 1.0).named(model),)
    grid = _BeatGrid(np.asarray(beats, np.float64), chroma)
    path, confidences = _decoded(model, chroma, tuning.offset_cents, grid.stays)
    heard = list(_stretches(path, confidences, grid, duration_seconds))
    key = find_key(chroma, [stretch.named(model) for stretch in heard], duration_seconds)
    return tuple(
        stretch.named(model, key_at(key, (stretch.start_seconds + stretch.end_seconds) / 2)) for stretch in heard
    )


class _BeatGrid:
    """Between which frames the beats fall.

    Attributes:
        stays: ``[N]``, the probability that the chord of the frame before goes on.
    """

    def __init__(self, beats: Array, chroma: Chroma) -> None:
        self._frame_rate = chroma.frame_rate
        self._first_frame = chroma.first_frame
        boundaries = np.round(beats * chroma.frame_rate + 0.5).astype(int) - chroma.first_frame
        self._beats = dict(zip(boundaries.tolist(), beats.tolist(), strict=True))
        self.stays = np.full(len(chroma), _STAYS, np.float32)
        if beats.size > 1:
            longest = _GAP * float(np.median(np.diff(boundaries)))
            for boundary, following in pairwise(boundaries.tolist()):
                if following - boundary <= longest:
                    self.stays[max(boundary, 0) : max(following, 0)] = _STAYS_OFF_BEAT
            self.stays[boundaries[(boundaries >= 0) & (boundaries < len(chroma))]] = _STAYS_ON_BEAT

    def seconds(self, frame: int) -> float:
        """When a chord begins that is first heard in a frame: on the beat, if there is one, or halfway between."""
        halfway = (self._first_frame + frame - 0.5) / self._frame_rate
        return float(self._beats.get(frame, halfway + _EARLY_SECONDS))


def _decoded(model: ChordModel, chroma: Chroma, tuning_cents: float, stays: Matrix) -> tuple[NDArray[np.intp], Matrix]:
    """The state of each frame ``[N]``, and its posterior probability ``[N]``."""
    path, confidences = np.empty(len(chroma), np.intp), np.empty(len(chroma), np.float32)
    for start in range(0, len(chroma), _STRETCH_FRAMES):
        first, stop = max(start - _MARGIN_FRAMES, 0), start + _STRETCH_FRAMES
        seen = slice(first, stop + _MARGIN_FRAMES)
        scores = model.log_likelihoods(chroma.slice(seen.start, seen.stop), tuning_cents)
        starts = model.starts if first == 0 else np.full(len(model), 1 / len(model), np.float32)
        states = likeliest_path(scores, stays[seen], starts)
        chances = posteriors(scores * np.float32(_INDEPENDENT), stays[seen], starts)
        kept = slice(start - first, stop - first)
        path[start:stop] = states[kept]
        confidences[start:stop] = chances[np.arange(len(states)), states][kept]
    return path, confidences


def _stretches(
    path: NDArray[np.intp], confidences: Matrix, grid: _BeatGrid, duration_seconds: float
) -> Iterator[_Heard]:
    starts = [0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]
    times = [0.0, *(grid.seconds(frame) for frame in starts[1:-1]), duration_seconds]
    times = np.maximum.accumulate(np.minimum(times, duration_seconds)).tolist()
    for index, frame in enumerate(starts[:-1]):
        if times[index + 1] > times[index] or len(starts) == 2:
            confidence = float(confidences[frame : starts[index + 1]].mean())
            yield _Heard(times[index], times[index + 1], int(path[frame]), confidence)
