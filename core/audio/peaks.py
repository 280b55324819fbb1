"""The outline of a waveform, for players to draw before they have the audio.

The format is version 2 of audiowaveform's JSON (https://github.com/bbc/audiowaveform, doc/DataFormat.md), which
wavesurfer.js and peaks.js read: of every pixel the lowest and the highest sample, in 8 bits.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

MOST_PIXELS = 8192
"""More than a screen is wide; the JSON of a stereo file stays under 200 KB."""
FINEST_SAMPLES_PER_PIXEL = 256


def samples_per_pixel_for(frames: int) -> int:
    """The finest outline with at most ``MOST_PIXELS``: 256 samples a pixel, doubled as often as need be."""
    samples_per_pixel = FINEST_SAMPLES_PER_PIXEL
    while frames > samples_per_pixel * MOST_PIXELS:
        samples_per_pixel *= 2
    return samples_per_pixel


class PeaksMeter:
    """Outlines a stream of blocks."""

    def __init__(self, sample_rate: int, channels: int, samples_per_pixel: int = FINEST_SAMPLES_PER_PIXEL) -> None:
        self._sample_rate = sample_rate
        self._channels = channels
        self._samples_per_pixel = samples_per_pixel
        self._rest = np.empty((channels, 0), np.float32)
        self._pixels: list[NDArray[np.int8]] = []

    def add(self, block: Block) -> None:
        """Go on with a block ``[C, T]``."""
        samples = np.concatenate((self._rest, block), axis=1) if self._rest.size else block
        whole = samples.shape[1] // self._samples_per_pixel * self._samples_per_pixel
        if whole:
            self._pixels.append(_outline(samples[:, :whole].reshape(self._channels, -1, self._samples_per_pixel)))
        self._rest = samples[:, whole:].copy()

    def json(self) -> bytes:
        """The outline of all that was added; the last pixel may stand for fewer samples.

        ``data`` holds, for each pixel and channel in turn, the lowest and the highest sample, −128 to 127.
        """
        last = [_outline(self._rest[:, np.newaxis])] if self._rest.size else []
        pixels = np.concatenate([np.empty((0, self._channels, 2), np.int8), *self._pixels, *last])
        document = {
            "version": 2,
            "channels": self._channels,
            "sample_rate": self._sample_rate,
            "samples_per_pixel": self._samples_per_pixel,
            "bits": 8,
            "length": len(pixels),
            "data": pixels.ravel().tolist(),
        }
        return json.dumps(document, separators=(",", ":")).encode()


def _outline(samples: Block) -> NDArray[np.int8]:
    """From ``[C, pixels, samples]`` to ``[pixels, C, 2]``: lowest and highest, full scale being −128."""
    extremes = np.stack((samples.min(axis=2), samples.max(axis=2)), axis=-1).swapaxes(0, 1)
    pixels: NDArray[np.int8] = np.clip(np.floor(extremes * 128), -128, 127).astype(np.int8)
    return pixels
