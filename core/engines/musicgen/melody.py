"""Melodies as MusicGen reads them: which of the twelve pitch classes is the strongest, about eight times a second.

audiocraft leaves drums and bass out of a recording before it looks, by a separation with demucs. That is not done here:
a melody is followed best if it is sung or played alone, and whoever has only a mixture separates it first.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from core.audio.resample import resample
from core.engines.musicgen.model import Conditioning
from core.ports import Recording

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.engines.musicgen.text import TextEncoder

SAMPLE_RATE = 32000
PITCH_CLASSES = 12
"""Semitones from C."""

FFT_LENGTH, HOP_LENGTH = 2**14, 2**12  # of audiocraft's ``chroma_stem`` with ``radix2_exp`` 14
_EPSILON = 1e-6  # the least that a frame is divided by, as in audiocraft


class MelodyConditioner:
    """The ``Conditioner`` of the melody models, which read melody and text before the first frame."""

    def __init__(
        self, text: TextEncoder, weight: torch.Tensor, bias: torch.Tensor, window_seconds: float = 30.0
    ) -> None:
        """Put a projection ``[C, 12]``, ``[C]`` beside the text's; a melody lasts as long as the model's window."""
        self._text = text
        self._weight, self._bias = weight.to("cpu", torch.float32), bias.to("cpu", torch.float32)
        self._frames = int(SAMPLE_RATE * window_seconds) // HOP_LENGTH + 1

    @torch.inference_mode()
    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        """The melody, then the text, ``[P, C]``; a melody that is shorter than the window starts again."""
        samples = np.zeros(1, np.float32) if melody is None else self._samples(melody)
        frames = chroma(torch.from_numpy(samples))
        frames = frames.repeat(-(-self._frames // len(frames)), 1)[: self._frames]
        text = self._text.encode(description)
        projected = functional.linear(frames, self._weight, self._bias)
        return Conditioning(prefix=torch.cat([projected.to(text.device), text]))

    def null(self) -> Conditioning:
        """No melody and no text."""
        return self.condition("", None)

    def _samples(self, melody: Recording) -> NDArray[np.float32]:
        """The downmix at the model's rate, without what no frame of the window reaches."""
        needed = int(((self._frames - 1) * HOP_LENGTH + FFT_LENGTH) / SAMPLE_RATE * melody.sample_rate)
        downmix = melody.samples[:, :needed].mean(axis=0, keepdims=True)
        if melody.sample_rate != SAMPLE_RATE:
            blocks = list(resample([downmix], melody.sample_rate, SAMPLE_RATE, 1))
            downmix = np.concatenate([downmix[:, :0], *blocks], axis=1)
        samples: NDArray[np.float32] = np.ascontiguousarray(downmix[0])
        return samples


def chroma(samples: torch.Tensor) -> torch.Tensor:
    """Which pitch class is the strongest: ``[T]`` at 32 kHz to ``[frames, 12]``, a 1 in each row; C in silence.

    Frames are centred on multiples of ``HOP_LENGTH``; the recording's ends are mirrored.
    """
    missing = FFT_LENGTH - len(samples)
    if missing > 0:
        samples = functional.pad(samples, (missing // 2, missing - missing // 2))
    window = torch.hann_window(FFT_LENGTH)
    spectrum = torch.stft(samples, FFT_LENGTH, HOP_LENGTH, window=window, return_complex=True)
    power = (spectrum / window.square().sum().sqrt()).abs().square()
    return strongest(torch.from_numpy(_filters()) @ power)


def strongest(energies: torch.Tensor) -> torch.Tensor:
    """Of energies ``[12, frames]``, the greatest in each frame, as ``[frames, 12]``; the first of equals."""
    normalised = functional.normalize(energies, p=float("inf"), dim=0, eps=_EPSILON)
    return functional.one_hot(normalised.argmax(dim=0), PITCH_CLASSES).float()


def melody_from(melody: Recording, start_seconds: float, seconds: float) -> Recording:
    """What a window hears of a melody that starts again at its end: ``seconds`` of it from ``start_seconds`` on."""
    start, frames = (round(length * melody.sample_rate) for length in (start_seconds, seconds))
    places = np.arange(start, start + frames) % melody.samples.shape[1]
    return Recording(melody.samples[:, places], melody.sample_rate)


@cache
def _filters() -> NDArray[np.float32]:
    """How much each frequency counts for each pitch class, ``[12, F]``; A at 440 Hz (Ellis, "Chroma feature analysis
    and synthesis", 2007)."""
    from transformers.audio_utils import chroma_filter_bank

    filters = chroma_filter_bank(FFT_LENGTH, PITCH_CLASSES, SAMPLE_RATE, tuning=0.0)
    single: NDArray[np.float32] = filters.astype(np.float32)
    return single
