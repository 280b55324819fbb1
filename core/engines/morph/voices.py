"""A track as the bridge plays it: one spectrum after the other, each from where the beats have brought the track."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.engines.morph.alignment import Repeats, TimeMap
from core.engines.morph.endless import endless
from core.engines.morph.phases import Phases
from core.engines.morph.windows import Reader, hop_at
from core.engines.spectral.stft import HOPS_PER_WINDOW, Spectra, analyse
from core.ports import Track

if TYPE_CHECKING:
    from core.ports import Block

SEAM_SECONDS = 0.01


class Voice:
    """The spectra of a track along a map of time."""

    def __init__(self, reader: Reader, time: TimeMap, sample_rate: int, *, heard: bool) -> None:
        """Of a voice that is not ``heard``, only looked at, the phases do not matter."""
        self._reader = reader
        self._time = time
        self._sample_rate = sample_rate
        self._hop = hop_at(sample_rate)
        self._phases = Phases() if heard and not time.identity else None

    def spectra(self, hops: NDArray[np.int64]) -> tuple[Spectra, NDArray[np.float32]]:
        """``[C, T, F]``, the middles of whose windows lie so many hops after the start of the bridge.

        And the largest sample in each of the windows, ``[T]``. No hop may come twice, and they must rise.
        """
        seconds = self._time(hops.astype(np.float64) * self._hop / self._sample_rate)
        length = HOPS_PER_WINDOW * self._hop
        starts = np.rint(seconds * self._sample_rate).astype(np.int64) - length // 2
        if self._phases is None:
            windows = self._reader.read(starts, length)
            return self._analysed(windows)[:, :, 0], _peaks(windows)
        windows = self._reader.read(starts - self._hop, self._hop + length)
        spectra = self._analysed(windows)
        return self._phases.turned(spectra[:, :, 0], spectra[:, :, 1]), _peaks(windows)

    def _analysed(self, windows: Block) -> Spectra:
        """``[C, T, N, F]``: of a window that is longer by a hop there are two."""
        channels, count, length = windows.shape
        spectra = analyse(windows.reshape(channels * count, length), self._hop)
        return spectra.reshape(channels, count, *spectra.shape[1:])


@contextmanager
def voice(
    track: Track, time: TimeMap, repeats: Repeats, sample_rate: int, channels: int, *, heard: bool = True
) -> Iterator[Voice]:
    """The voice of a track, which is closed at the end. One that runs in its own time is silent before and after."""
    if time.identity:
        repeats = Repeats()
    lead, loop, seam = (
        round(seconds * sample_rate) for seconds in (repeats.lead_seconds, repeats.loop_seconds, SEAM_SECONDS)
    )
    with closing(endless(track.blocks(), lead, loop, seam)) as blocks:
        yield Voice(Reader(blocks, -lead, channels), time, sample_rate, heard=heard)


def _peaks(windows: Block) -> NDArray[np.float32]:
    peaks: NDArray[np.float32] = np.maximum(windows.max(axis=(0, 2)), -windows.min(axis=(0, 2)))
    return peaks
