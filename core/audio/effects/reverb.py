"""A room, as the convolution with an impulse response that is drawn up for it.

Late reverberation is noise that dies away exponentially (J. A. Moorer, *About this reverberation business*, Computer
Music Journal 3/2, 1979). Air takes the high frequencies first: it dampens by so many dB a second, which grows with the
square of the frequency, so a room's decay time at f is ``decay / (1 + (f / damping)²)``.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.ports import Block

_LENGTH = 4 / 3
"""Of the response, in decay times: it ends 80 dB down."""
_SEED = 1979  # any would do: the same room each time
_BANDS_PER_OCTAVE = 3
_PARTITION_FRAMES = 2**14
_RESPONSES_KEPT = 2


@lru_cache(_RESPONSES_KEPT)
def impulse_response(
    decay_seconds: float, pre_delay_seconds: float, damping_hz: float, sample_rate: int, channels: int
) -> Block:
    """The room's answer to an impulse, ``[C, T]``, read-only: its energy is 1 in each channel.

    The channels' noises have nothing to do with each other, which is what makes a room sound wide. All is computed in
    float32: its rounding lies 60 dB below the end of the response, and a long room is drawn up in half of the time.
    """
    frames = max(round(_LENGTH * decay_seconds * sample_rate), 1)
    noise = np.random.default_rng(_SEED).standard_normal((channels, frames)).astype(np.float32)
    spectrum = np.fft.rfft(noise)
    time = (np.arange(frames) / sample_rate).astype(np.float32)
    response = np.zeros_like(noise)
    for frequency_hz, weights in _bands(np.fft.rfftfreq(frames, 1 / sample_rate), damping_hz):
        decay = decay_seconds / (1 + (frequency_hz / damping_hz) ** 2)
        response += np.fft.irfft(spectrum * weights, frames) * 10 ** (time * np.float32(-3 / decay))
    response /= np.sqrt(np.sum(response**2, axis=1, keepdims=True))
    answer = np.pad(response, ((0, 0), (round(pre_delay_seconds * sample_rate), 0)))
    answer.flags.writeable = False
    return answer


def _bands(frequencies_hz: NDArray[np.floating], damping_hz: float) -> Iterator[tuple[float, NDArray[np.float32]]]:
    """Bands a third of an octave apart, by their middle, that fade into each other and together let everything pass.

    They begin three octaves below the damping's frequency: whatever is lower decays at the same pace to within 2 %.
    """
    lowest_hz = damping_hz / 8
    count = math.ceil(_BANDS_PER_OCTAVE * max(math.log2(frequencies_hz[-1] / lowest_hz), 0)) + 1
    heard_hz = np.maximum(frequencies_hz, lowest_hz)
    position = np.minimum(_BANDS_PER_OCTAVE * np.log2(heard_hz / lowest_hz), count - 1)
    middles_hz = lowest_hz * 2 ** (np.arange(count) / _BANDS_PER_OCTAVE)
    for band, middle_hz in enumerate(middles_hz):
        yield middle_hz, np.clip(1 - np.abs(position - band), 0, 1).astype(np.float32)


class Convolver:
    """A ``Processor`` that convolves each channel with its own response ``[C, T]``, by FFT in partitions of one size.

    The method is uniformly partitioned overlap-save (F. Wefers, *Partitioned convolution algorithms for real-time
    auralization*, RWTH Aachen, 2015).
    """

    def __init__(self, response: Block) -> None:
        channels, frames = response.shape
        count = -(-frames // _PARTITION_FRAMES)
        padded = np.pad(response, ((0, 0), (0, count * _PARTITION_FRAMES - frames)))
        partitions = padded.reshape(channels, count, _PARTITION_FRAMES).swapaxes(0, 1)
        self._spectra = np.fft.rfft(partitions, 2 * _PARTITION_FRAMES).astype(np.complex64, copy=False)  # [K, C, F]
        self._heard: deque[NDArray[np.complex64]] = deque(maxlen=count)  # spectra of the input, the newest first
        self._previous: Block = np.zeros((channels, _PARTITION_FRAMES), np.float32)
        self._waiting: Block = np.zeros((channels, 0), np.float32)

    def add(self, block: Block) -> Block:
        """As ``Processor.add``."""
        waiting = np.concatenate((self._waiting, block), axis=1)
        whole = waiting.shape[1] // _PARTITION_FRAMES * _PARTITION_FRAMES
        self._waiting = waiting[:, whole:]
        starts = range(0, whole, _PARTITION_FRAMES)
        convolved = [self._convolved(waiting[:, start : start + _PARTITION_FRAMES]) for start in starts]
        return np.concatenate([waiting[:, :0], *convolved], axis=1)

    def finish(self) -> Block:
        """As ``Processor.finish``: the response's tail is left out from the end of what went in."""
        frames = self._waiting.shape[1]
        return self._convolved(np.pad(self._waiting, ((0, 0), (0, _PARTITION_FRAMES - frames))))[:, :frames]

    def _convolved(self, piece: Block) -> Block:
        self._heard.appendleft(
            np.fft.rfft(np.concatenate((self._previous, piece), axis=1)).astype(np.complex64, copy=False)
        )
        self._previous = piece
        total = np.zeros_like(self._heard[0])
        for heard, spectrum in zip(self._heard, self._spectra, strict=False):  # at first, less was heard
            total += heard * spectrum
        return np.fft.irfft(total)[:, _PARTITION_FRAMES:].astype(np.float32, copy=False)
