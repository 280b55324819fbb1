"""Which notes sound: a chromagram, made while the music streams by.

Every frame's spectrum is laid out in thirds of a semitone and whitened, and then explained as a sum of notes: the
non-negative mixture of templates, each a note with its partials, that comes nearest to it (Mauch and Dixon 2010,
*Approximate note transcription for the improved identification of difficult chords*, ISMIR). A note's partials so do
not count as notes of their own, as they would in a plain folding of the spectrum. Only then octaves are folded.
Thirds of a semitone stay apart, so that one can retune once the tuning is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.note_spectra import BINS_PER_SEMITONE, spectra_at

BINS = 12 * BINS_PER_SEMITONE
"""Of an octave; bin 0 is C in A4 = 440 Hz, bin 1 a third of a semitone above."""

ANALYSIS_RATE = 22050
SILENT_ENERGY = 1e-9
"""90 dB below full scale: a frame with less is silent. The rounding to 16 bits has less."""

_BATCH_FRAMES = 32  # at most as many spectra at a time; always the same ones, wherever blocks end
_LOUDEST = 16.0  # full scale is 1; what is far beyond is no sample, and its square might not fit float32

Frames = NDArray[np.float32]


@dataclass(frozen=True)
class Chroma:
    """How strongly each pitch class sounds, in frames; a silent frame is all zeros.

    Attributes:
        treble: ``[N, 36]``, of the notes from about F#2 up, thirds of a semitone; at least 0, and 2 to 3 for a note
            that stands alone, however loud.
        bass: ``[N, 36]``, of the notes up to about G3: some are in both.
        energy: ``[N]``, the mean square of the samples around each frame's centre.
        flatness: ``[N]``, 0 (pure notes) to 1 (noise): the geometric over the arithmetic mean of the power.
        tuning: ``[N]``, complex: the mean of how far the partials lie from A4 = 440 Hz, a semitone being the full turn;
            the better they agree, the nearer to 1 it is in size.
        frame_rate: Hz.
        first_frame: the index of the first frame: frame i is centred at ``i / frame_rate`` seconds.
    """

    treble: Frames
    bass: Frames
    energy: Frames
    flatness: Frames
    tuning: NDArray[np.complex64]
    frame_rate: float
    first_frame: int = 0

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def times(self) -> NDArray[np.float64]:
        """The frames' centres ``[N]`` in seconds."""
        return (self.first_frame + np.arange(len(self))) / self.frame_rate

    def slice(self, start: int, stop: int) -> Chroma:
        """The frames from index ``start`` to before ``stop``, counted within this chroma; a view."""
        part = slice(start, stop)
        first = self.first_frame + part.indices(len(self))[0]
        return Chroma(
            self.treble[part], self.bass[part], self.energy[part], self.flatness[part], self.tuning[part],
            self.frame_rate, first,
        )  # fmt: skip

    def semitones(self, tuning_cents: float = 0.0) -> tuple[Frames, Frames]:
        """Treble and bass, ``[N, 12]`` each, C first, of music whose A4 lies so many cents above 440 Hz."""
        weights = semitone_weights(tuning_cents)
        return self.treble @ weights, self.bass @ weights


def joined(parts: list[Chroma]) -> Chroma:
    """Chromas that follow each other, as one; ``parts`` holds at least one."""
    return Chroma(
        np.concatenate([part.treble for part in parts]),
        np.concatenate([part.bass for part in parts]),
        np.concatenate([part.energy for part in parts]),
        np.concatenate([part.flatness for part in parts]),
        np.concatenate([part.tuning for part in parts]),
        parts[0].frame_rate,
        parts[0].first_frame,
    )


class ChromaListener:
    """Hears mono samples in blocks of any length and keeps their chroma, about 10.8 frames a second.

    A frame needs ``lookahead_seconds`` (0.19 s) of samples after its centre. Beyond the features it keeps at most
    6 s of samples.
    """

    def __init__(self, sample_rate: int = ANALYSIS_RATE) -> None:
        self._spectra = spectra_at(sample_rate)
        self._window = self._spectra.window_length
        self._hop = self._window // 4
        self.frame_rate = sample_rate / self._hop
        """Hz."""
        self.lookahead_seconds = self._window / 2 / sample_rate
        self._heard: list[Chroma] = []
        self._pending = self._nothing()
        self._frames = self._samples = 0

    def add(self, block: NDArray[Any]) -> None:
        """Hear the next samples ``[T]``; NaN counts as silence."""
        heard = np.clip(np.nan_to_num(np.asarray(block, np.float32)), -_LOUDEST, _LOUDEST)
        self._samples += heard.size
        for start in range(0, heard.size, self._batch_length):
            self._pending = np.concatenate([self._pending, heard[start : start + self._batch_length]])
            while self._ready() >= _BATCH_FRAMES:
                self._listen(_BATCH_FRAMES)

    def take(self) -> Chroma:
        """The frames completed since the last ``take``, maybe none."""
        while ready := self._ready():
            self._listen(min(ready, _BATCH_FRAMES))
        heard, self._heard = self._heard, []
        return joined(heard or [self._no_frames()])

    def finish(self) -> Chroma:
        """The frames that were not taken, up to the end of the music; then it is as new."""
        frames = -(-self._samples // self._hop)
        missing = (frames - 1 - self._frames) * self._hop + self._window - self._pending.size
        self._pending = np.concatenate([self._pending, np.zeros(max(missing, 0), np.float32)])
        chroma = self.take()
        self._pending, self._frames, self._samples = self._nothing(), 0, 0
        return chroma

    def state(self) -> dict[str, NDArray[Any]]:
        """What it needs to go on elsewhere, after a ``take``: less than 100 kB."""
        return {"pending": self._pending.copy(), "counts": np.array([self._frames, self._samples], np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on where ``state`` was asked for."""
        self._heard, self._pending = [], np.array(state["pending"], np.float32)
        self._frames, self._samples = (int(count) for count in state["counts"])

    @property
    def _batch_length(self) -> int:
        return _BATCH_FRAMES * self._hop

    def _nothing(self) -> Frames:
        return np.zeros(self._window // 2, np.float32)

    def _ready(self) -> int:
        return max((self._pending.size - self._window) // self._hop + 1, 0)

    def _listen(self, count: int) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(self._pending, self._window)[:: self._hop][:count]
        self._heard.append(self._chroma_of(frames))
        self._pending = self._pending[count * self._hop :].copy()
        self._frames += count

    def _chroma_of(self, frames: Frames) -> Chroma:
        found = self._spectra.notes_in(frames)
        middle = frames[:, self._window // 2 - self._hop // 2 :][:, : self._hop]
        energy = np.einsum("ij,ij->i", middle, middle) / np.float32(middle.shape[1])
        treble = _folded(found.notes * self._spectra.treble_weights)
        bass = _folded(found.notes * self._spectra.bass_weights)
        return Chroma(treble, bass, energy, found.flatness, found.tuning, self.frame_rate, self._frames)

    def _no_frames(self) -> Chroma:
        none = np.zeros((0, BINS), np.float32)
        return Chroma(
            none, none, none[:, 0], none[:, 0], none[:, 0].astype(np.complex64), self.frame_rate, self._frames
        )


def _folded(notes: Frames) -> Frames:
    folded: Frames = notes.reshape(len(notes), -1, BINS).sum(axis=1)
    return folded


def semitone_weights(tuning_cents: float) -> Frames:
    """What of each bin is each pitch class's, ``[36, 12]``: what lies between two notes is shared among them."""
    centre = BINS_PER_SEMITONE * (np.arange(12) + tuning_cents / 100)
    away = np.abs((np.arange(BINS)[:, None] - centre + BINS / 2) % BINS - BINS / 2)
    return np.clip(2.0 - away, 0.0, 1.0).astype(np.float32)
