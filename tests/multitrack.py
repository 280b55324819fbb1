"""Songs of which every stem is known, for tests of separation.

The product's own ``synth`` engine plays them, and they are mixed the way a record is. Drums, bass and vocals stay where
the engine puts them: the bass in the middle, the kit around it (kick in the middle, hi-hat and toms to one side), the
voice in the middle with a second, detuned take of itself that makes it wide (its side lies 10 dB under its middle). The
two accompanying instruments, stereo themselves, lean to the left and to the right. Drums, bass and vocals have the same
RMS level, and both accompanying instruments together have it too: none of the four is easy because it is loud.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.audio.waveform import db_to_gain
from core.engines.catalogue import SYNTH
from core.engines.synth.engine import synthesise
from core.engines.synth.mixing import pan_gains
from core.ports import StemRequest

Audio = NDArray[np.float32]

SAMPLE_RATE = SYNTH.default.sample_rate or 0
SOURCES = ("drums", "bass", "other", "vocals")
LEVEL_DB, ACCOMPANIMENT_DB = -18.0, -21.0


@dataclass(frozen=True)
class Song:
    """What is played, by whom, and how far to the sides the accompaniment stands (0 in the middle, 1 at the edge)."""

    style: str
    tempo_bpm: float
    chords: tuple[str, ...]
    seed: int
    left: str = "guitar"
    right: str = "piano"
    pan: float = 0.7
    temperature: float = 0.5
    duration_seconds: float = 12.0

    def stems(self) -> Audio:
        """``[4, 2, T]``: drums, bass, other and vocals. Their sum is the mixture, and may go beyond ±1."""
        sides = [self._levelled(self._leaning(self.left, -self.pan), ACCOMPANIMENT_DB)]
        sides.append(self._levelled(self._leaning(self.right, self.pan), ACCOMPANIMENT_DB))
        drums, bass, vocals = (self._levelled(self._played(stem), LEVEL_DB) for stem in ("drums", "bass", "vocals"))
        return np.stack([drums, bass, sides[0] + sides[1], vocals])

    def _played(self, stem_type: str) -> Audio:
        request = StemRequest(
            stem_type, self.duration_seconds, self.tempo_bpm, self.style, self.chords, "", self.temperature, self.seed
        )
        return np.concatenate(list(synthesise(request)), axis=1)

    def _leaning(self, stem_type: str, pan: float) -> Audio:
        return self._played(stem_type) * pan_gains(pan, 1.0)

    def _levelled(self, stem: Audio, level_db: float) -> Audio:
        rms = math.sqrt(np.mean(np.square(stem, dtype=np.float64)))
        return stem * np.float32(db_to_gain(level_db) / rms)


SONGS = {
    "pop": Song("pop", 120, ("C", "G", "Am", "F"), seed=1),
    "rock": Song("rock", 140, ("Em", "C", "G", "D"), seed=5),
    "jazz": Song("jazz", 100, ("Dm7", "G7", "Cmaj7", "A7"), seed=9, left="piano", right="synth"),
    "electronic": Song("electronic", 128, ("Am", "F", "C", "G"), seed=3, left="synth", right="other"),
    "ballad": Song("ballad", 72, ("F", "Dm", "Bb", "C"), seed=7, left="guitar", right="synth"),
    "narrow rock": Song(
        "rock", 93, ("A", "D", "F#m", "E"), 77, left="piano", right="guitar", pan=0.45, temperature=1.0
    ),
    "wild pop": Song("pop", 167, ("Bb", "Gm", "Eb", "F"), 4242, left="synth", right="guitar", temperature=1.5),
}


class ArrayMixture:
    """A mixture ``[C, T]`` in memory, read in blocks of any length."""

    def __init__(self, samples: Audio, sample_rate: int = SAMPLE_RATE, block_frames: int = 65536) -> None:
        downmix = samples.mean(axis=0, dtype=np.float64)
        self.sample_rate = sample_rate
        self.channels, self.frames = samples.shape
        self.mean = float(downmix.mean())
        self.standard_deviation = float(downmix.std(ddof=1)) if self.frames > 1 else 0.0
        self._samples = samples
        self._block_frames = block_frames

    def blocks(self, start_frame: int = 0) -> Iterator[Audio]:
        """From ``start_frame`` to the end."""
        for start in range(start_frame, self.frames, self._block_frames):
            yield self._samples[:, start : start + self._block_frames]


def sdr_db(reference: Audio, estimate: Audio) -> float:
    """The signal-to-distortion ratio: the stem's energy over that of everything the estimate gets wrong.

    Every deviation counts, as in the evaluation of stereo images by BSS Eval 3 and 4 (Vincent et al., "The signal
    separation evaluation campaign (2007–2010)", 2012).
    """
    distortion = np.subtract(estimate, reference, dtype=np.float64)
    return float(10 * np.log10(np.sum(np.square(reference, dtype=np.float64)) / np.sum(np.square(distortion))))
