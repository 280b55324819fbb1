"""A track that clicks on every beat, to be heard along with the music."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.analysis.result import Beat

if TYPE_CHECKING:
    from core.ports import Block

BLOCK_FRAMES = 65536

_CLICK_SECONDS = 0.06
_DECAY_SECONDS = 0.012
_DOWNBEAT_HZ, _BEAT_HZ = 1568.0, 1046.5
_DOWNBEAT_GAIN, _BEAT_GAIN = 0.7, 0.4
_OVERTONE, _OVERTONE_GAIN = 2.76, 0.25
"""The second mode of a bar that is free at both ends, as of a wood block (Fletcher and Rossing 1998, section 2.17)."""


def click_blocks(beats: Sequence[Beat], sample_rate: int, total_frames: int, channels: int = 1) -> Iterator[Block]:
    """Yield blocks ``[C, T]`` of at most 65,536 frames, ``total_frames`` in all: a click at each of ``beats``.

    Each begins on the frame nearest to its beat. Downbeats are a fifth higher and louder: 0.7 of full scale at most
    against 0.4. Beats are in ascending order.
    """
    clicks = [_click(_BEAT_HZ, _BEAT_GAIN, sample_rate), _click(_DOWNBEAT_HZ, _DOWNBEAT_GAIN, sample_rate)]
    starts = np.array([round(beat.time_seconds * sample_rate) for beat in beats], np.int64)
    accents = np.array([beat.position == 1 for beat in beats], np.int64)
    length = clicks[0].size
    for first in range(0, total_frames, BLOCK_FRAMES):
        mono = np.zeros(min(BLOCK_FRAMES, total_frames - first), np.float32)
        audible = range(*np.searchsorted(starts, (first - length, first + mono.size)).tolist())
        for index in audible:
            _add(mono, clicks[accents[index]], int(starts[index]) - first)
        yield np.repeat(mono[np.newaxis], channels, axis=0)


def _click(frequency_hz: float, gain: float, sample_rate: int) -> NDArray[np.float32]:
    """A knock that dies away: it begins and ends at zero, so that it has no edge."""
    time = np.arange(round(_CLICK_SECONDS * sample_rate)) / sample_rate
    knock = np.sin(2 * np.pi * frequency_hz * time)
    knock += _OVERTONE_GAIN * np.sin(2 * np.pi * _OVERTONE * frequency_hz * time) * np.exp(-time / _DECAY_SECONDS)
    knock *= np.exp(-time / _DECAY_SECONDS) * (1 - time / _CLICK_SECONDS)
    return np.asarray(knock * gain / np.abs(knock).max(), np.float32)


def _add(mono: NDArray[np.float32], click: NDArray[np.float32], start: int) -> None:
    """What of a click that begins at frame ``start`` falls into the samples."""
    skipped = max(-start, 0)
    part = click[skipped : max(mono.size - start, 0)]
    begin = start + skipped
    mono[begin : begin + part.size] += part
