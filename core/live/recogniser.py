"""Chords told while they sound.

A filter over the chord model follows the music frame by frame. A new chord is said once the frames behind its first one
agree (fixed-lag smoothing: the forward-backward recursion of Rabiner 1989, *A tutorial on hidden Markov models*, over
the last frames alone): as soon as they clearly do, and otherwise ``_LONGEST_LAG`` frames later. Together with what a
frame needs of the samples after it, that is well below a second.
"""

from __future__ import annotations

import cmath
import math
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chord_model import ChordModel
from core.analysis.harmony.chroma import Chroma, ChromaListener
from core.live.sampling import Mono

_LONGEST_LAG = 4  # frames of 93 ms
_AGREEING_FRAMES = 4  # that a new chord needs: a drum's ring is shorter
_CLEAR = 0.7  # of the odds
_STAYS = 0.9  # of the frames
_EVIDENCE = 3.0  # a live listener has fewer frames to go by than the model was made for, and trusts each more
_NO_CHORD_MARGIN = 1.0  # by which a chord must beat none: what is said of noise cannot be taken back
_FULL_SCALE = 32768
_NONE = 0  # the model's state without a chord

_TUNING_MEMORY_FRAMES = 300.0  # half a minute
_FEWEST_TUNING_FRAMES = 10.0
_CLEAR_TUNING = 0.3  # music of one pitch has 0.7 to 0.9, drums have 0.2

Odds = NDArray[np.float64]


@dataclass(frozen=True)
class LiveChord:
    """A chord, known now.

    Attributes:
        start_seconds: when it began to sound, from the first sample.
        label: in Harte's notation, ``N`` for none.
        symbol: as players write it.
        confidence: 0 to 1.
    """

    start_seconds: float
    label: str
    symbol: str
    confidence: float


class Recogniser:
    """Hears mono samples at ``ANALYSIS_RATE`` and tells each change of chord once; at first there is none, ``N``."""

    def __init__(self) -> None:
        self._listener = ChromaListener()
        self._tuning = _RunningTuning()
        self._said = _NONE
        self._decided = 0  # frames
        self._odds = _tables().silence  # of the last frame that was decided
        self._recent: deque[Odds] = deque()  # likelihoods of the frames after it

    def add(self, samples: Mono) -> list[LiveChord]:
        """The chords that became known with the next samples ``[T]``.

        They are rounded to 16 bits and clipped at full scale, so that what waits for the next frame fits a small state.
        """
        steps = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
        self._listener.add(steps / np.float32(_FULL_SCALE))
        return self._hear(self._listener.take())

    def finish(self) -> list[LiveChord]:
        """The chords of what is left, decided without what would have followed. To be called once, at the end."""
        found = self._hear(self._listener.finish())
        return found + self._settle(last=True)

    def state(self) -> dict[str, Any]:
        """What it needs to go on elsewhere."""
        listener = self._listener.state()
        return {
            "pending": np.rint(listener["pending"] * _FULL_SCALE).astype("<i2"),
            "counts": listener["counts"],
            "tuning": self._tuning.state(),
            "decided": [self._said, self._decided],
            "odds": np.stack([self._odds, *self._recent]),
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> Recogniser:
        """The recogniser whose ``state`` it was."""
        recogniser = cls()
        pending = state["pending"].astype(np.float32) / np.float32(_FULL_SCALE)
        recogniser._listener.restore({"pending": pending, "counts": state["counts"]})
        recogniser._tuning = _RunningTuning(*state["tuning"])
        recogniser._said, recogniser._decided = state["decided"]
        odds, *recent = state["odds"]
        if odds.shape != _tables().silence.shape:
            raise ValueError("the state is of another chord model")
        recogniser._odds, recogniser._recent = odds, deque(recent)
        return recogniser

    def _hear(self, chroma: Chroma) -> list[LiveChord]:
        found = []
        for index in range(len(chroma)):
            frame = chroma.slice(index, index + 1)
            self._tuning.hear(frame)
            scores = _tables().model.log_likelihoods(frame, self._tuning.cents)[0].astype(np.float64)
            scores[_NONE] += _NO_CHORD_MARGIN
            self._recent.append(np.exp(_EVIDENCE * (scores - scores.max())))
            found += self._settle()
        return found

    def _settle(self, last: bool = False) -> list[LiveChord]:
        """Decide the frames that can be decided, in order."""
        found = []
        while self._recent:
            odds = self._smoothed()
            states = odds.argmax(axis=1)
            following = states[:_AGREEING_FRAMES]
            agreed = bool((following == states[0]).all()) and (last or len(following) == _AGREEING_FRAMES)
            clear = agreed and odds[0, states[0]] >= _CLEAR
            if not (clear or last or len(states) > _LONGEST_LAG):
                break
            if agreed and states[0] != self._said:
                found.append(self._say(int(states[0]), float(odds[0, states[0]])))
            self._odds = _forward(self._odds, self._recent.popleft())
            self._decided += 1
        return found

    def _smoothed(self) -> Odds:
        """Of each state in each frame that is not decided, ``[N, states]``, given all that was heard so far."""
        ahead, odds = [], self._odds
        for likelihoods in self._recent:
            odds = _forward(odds, likelihoods)
            ahead.append(odds)
        back = np.ones_like(odds)
        for index in range(len(ahead) - 1, -1, -1):
            smoothed = ahead[index] * back
            ahead[index] = smoothed / smoothed.sum()
            back = _tables().transitions @ (self._recent[index] * back)
            back /= back.max()
        return np.stack(ahead)

    def _say(self, state: int, confidence: float) -> LiveChord:
        self._said = state
        model, seconds = _tables().model, self._decided / self._listener.frame_rate
        return LiveChord(round(seconds, 3), model.label(state), model.symbol(state), round(confidence, 3))


class _RunningTuning:
    """The mean of each frame's tuning, of which the older ones count less and less."""

    def __init__(self, real: float = 0.0, imaginary: float = 0.0, frames: float = 0.0) -> None:
        self._sum = complex(real, imaginary)
        self._frames = frames

    @property
    def cents(self) -> float:
        """Above A4 = 440 Hz, -50 to 50; 0 until enough was heard that agrees."""
        if self._frames < _FEWEST_TUNING_FRAMES or abs(self._sum) < _CLEAR_TUNING * self._frames:
            return 0.0
        return math.degrees(cmath.phase(self._sum)) / 3.6

    def hear(self, frame: Chroma) -> None:
        """Count one more frame; silent ones say nothing."""
        mean = complex(frame.tuning[0])
        if mean:
            keep = 1 - 1 / _TUNING_MEMORY_FRAMES
            self._sum, self._frames = keep * self._sum + mean, keep * self._frames + 1

    def state(self) -> list[float]:
        """What ``__init__`` takes."""
        return [self._sum.real, self._sum.imag, self._frames]


@dataclass(frozen=True)
class _Tables:
    model: ChordModel
    silence: Odds
    transitions: Odds


@lru_cache(maxsize=1)
def _tables() -> _Tables:
    """What all recognisers read and none changes."""
    model = ChordModel()
    silence = (np.arange(len(model)) == _NONE).astype(np.float64)
    changes = (1 - _STAYS) / (len(model) - 1)
    return _Tables(model, silence, np.where(np.eye(len(model), dtype=bool), _STAYS, changes))


def _forward(odds: Odds, likelihoods: Odds) -> Odds:
    ahead = (odds @ _tables().transitions) * likelihoods
    normalised: Odds = ahead / ahead.sum()
    return normalised
