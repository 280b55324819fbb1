"""What the demucs benchmark separates, and the models it does it with: the released shapes, with random weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import torch
from demucs.demucs import Demucs
from demucs.htdemucs import HTDemucs

from tests.demucs_models import SOURCES, loud, save_bag

if TYPE_CHECKING:
    from core.ports import Block

SAMPLE_RATE = 44100
RELEASED, SMALL = "released", "small"
_BLOCK_FRAMES = 65536


def save_models(folder: Path) -> None:
    """Write the bags ``released``, the shape of htdemucs, and ``small``, as long a segment and almost no work."""
    torch.manual_seed(0)
    htdemucs = HTDemucs(SOURCES, bottom_channels=512, dconv_mode=3, segment=Fraction(39, 5))
    demucs = Demucs(SOURCES, channels=4, depth=2, dconv_mode=0, resample=False, segment=7.8)
    save_bag([loud(htdemucs)], folder, RELEASED)
    save_bag([loud(demucs)], folder, SMALL)


def write_mixture(path: Path, seconds: float) -> None:
    """A stereo WAV file in float32."""
    mixture = LongMixture(seconds)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 2, "FLOAT") as file:
        for block in mixture.blocks():
            file.write(block.T)


class LongMixture:
    """A ``Mixture`` of any length that is made while it is read: tones under noise, the same from any frame on."""

    sample_rate, channels, mean = SAMPLE_RATE, 2, 0.0
    standard_deviation = 0.2

    def __init__(self, seconds: float) -> None:
        self.frames = round(seconds * SAMPLE_RATE)
        self._noise = np.random.default_rng(0).standard_normal((2, _BLOCK_FRAMES)).astype(np.float32) * 0.1

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        for first in range(start_frame - start_frame % _BLOCK_FRAMES, self.frames, _BLOCK_FRAMES):
            time = np.arange(first, min(first + _BLOCK_FRAMES, self.frames)) / SAMPLE_RATE
            tones = np.sin(2 * np.pi * 220 * time) * np.sin(time) * 0.25
            block = (self._noise[:, : time.size] + tones).astype(np.float32)
            yield block[:, max(start_frame - first, 0) :]


class FileMixture(LongMixture):
    """A WAV file as a ``Mixture``."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.frames = soundfile.info(path).frames
        downmix = soundfile.read(path, dtype="float32")[0].mean(axis=1)
        self.mean, self.standard_deviation = float(downmix.mean()), float(downmix.std(ddof=1))

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        with soundfile.SoundFile(self._path) as file:
            file.seek(start_frame)
            for block in file.blocks(_BLOCK_FRAMES, dtype="float32"):
                yield block.T


def reply(**figures: Any) -> None:
    """Answer the benchmark from a child process."""
    print(json.dumps(figures), flush=True)
