"""Short songs for tests that need something to separate, and a look into the files that come back."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SAMPLE_RATE = 44100


def song(seconds: float = 3.0, sample_rate: int = SAMPLE_RATE, channels: int = 2, level: float = 0.2) -> Samples:
    """A bass, clicks twice a second, and a tone in the middle between two at the sides; ``[C, T]``."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    clicks = np.random.default_rng(1).standard_normal(time.size) * np.exp(-(time % 0.5) * 60)
    middle = np.sin(2 * np.pi * 82.4 * time) + clicks + np.sin(2 * np.pi * (660 * time + np.sin(2 * np.pi * 5 * time)))
    sides = [np.sin(2 * np.pi * frequency * time) for frequency in (392.0, 523.3)]
    stereo = np.stack([middle + side for side in sides])
    return (level * (stereo if channels == 2 else stereo.mean(axis=0, keepdims=True))).astype(np.float32)


def encoded(samples: Samples, sample_rate: int = SAMPLE_RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    """The samples ``[C, T]`` as a file."""
    file = io.BytesIO()
    soundfile.write(file, samples.T, sample_rate, format=format, subtype=subtype)
    return file.getvalue()


def decoded(content: bytes) -> tuple[Samples, int]:
    """The samples ``[C, T]`` of a file that libsndfile reads, and its rate."""
    samples, sample_rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    return samples.T, sample_rate


def level_db(samples: Samples) -> float:
    """The root mean square in dB below full scale."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-30))
