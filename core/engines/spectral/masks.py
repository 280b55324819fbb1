"""Which share of every bin belongs to which source, from three things that tell sources apart.

- Time or pitch: a drum fills a column of the spectrogram, a held note a row (FitzGerald, "Harmonic/percussive
  separation using median filtering", DAFx 2010; the soft masks are those of Driedger, Müller & Disch, "Extending
  harmonic–percussive separation of audio signals", ISMIR 2014).
- The place in the stereo image: how alike both channels are (Avendano, "Frequency-domain source identification and
  manipulation in stereo mixes", WASPAA 2003). A record has its voice and bass in the middle.
- The register: the bass lies below the voice.

All shares are soft, between 0 and 1, and made of smoothed spectra: hard or ragged ones leave musical noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.engines.spectral.grid import MEDIAN_HOPS
from core.engines.spectral.medians import reach, running_median

Power = NDArray[np.float32]
"""Squared magnitudes or shares, ``[T, F]``."""

TIME_STRIDE = 2
"""Nine taps, two hops apart, see 0.42 s: more than a drum rings, less than most notes hold."""
LOW_STRIDE, HIGH_STRIDE = 1, 2
"""Nine taps see 97 Hz in the low band, where the partials of a bass lie close together, and 183 Hz above it, where a
voice's vibrato spreads each of its partials."""
CROSSOVER_HZ = (150.0, 250.0)
"""From here to there the bass hands over to the voice."""
STEADY_SHARE = 0.5
"""Of a sound in the middle that holds its pitch: as likely an instrument as a voice."""
_TINY = np.float32(1e-30)
"""Keeps 0 / 0 from being anything but 0. Samples are brought to a peak near 1 beforehand."""

assert reach(TIME_STRIDE) == MEDIAN_HOPS


@dataclass(frozen=True)
class Shares:
    """What each source has of the middle, ``[T, F]``, between 0 and 1; all else of it is the fourth source's.

    ``drums`` has the same share of the side, which is all else's again apart from that.
    """

    drums: Power
    bass: Power
    vocals: Power


class Masks:
    """Divides the bins of spectra that have these middles, in Hz, ``[F]``."""

    def __init__(self, frequencies_hz: NDArray[np.float32]) -> None:
        self._bass = crossover(frequencies_hz)
        self._low_bins = int(np.searchsorted(frequencies_hz, CROSSOVER_HZ[1]))

    def shares(self, mid: Power, side: Power) -> Shares:
        """The shares in ``T − 16`` spectra from the powers of ``T``: eight at either end are only heard, not divided."""
        energy = mid + side
        inner = slice(MEDIAN_HOPS, len(mid) - MEDIAN_HOPS)
        magnitude = np.sqrt(energy)
        held = np.square(running_median(magnitude, TIME_STRIDE))
        struck = np.square(self._median_over_frequency(magnitude[inner]))
        drums = struck / (held + struck + _TINY)
        tonal = (1 - drums) * centre(mid, side)[inner]
        bass = tonal * self._bass
        tonal -= bass
        tonal *= 1 - STEADY_SHARE * np.minimum(held / (energy[inner] + _TINY), 1)
        return Shares(drums, bass, tonal)

    def _median_over_frequency(self, magnitude: Power) -> Power:
        """``[T, F]``, mirrored at both ends of the spectrum."""
        low, low_reach, high_reach = self._low_bins, reach(LOW_STRIDE), reach(HIGH_STRIDE)
        mirrored = np.pad(magnitude, ((0, 0), (low_reach, high_reach)), mode="reflect")
        medians = np.empty_like(magnitude)
        medians[:, :low] = running_median(mirrored[:, : low + 2 * low_reach].T, LOW_STRIDE).T
        medians[:, low:] = running_median(mirrored[:, low + low_reach - high_reach :].T, HIGH_STRIDE).T
        return medians


def centre(mid: Power, side: Power) -> Power:
    """How much of each bin of the middle is meant to be there: 1 if the channels are alike, 0 if they have nothing in common.

    The square of Avendano's similarity, 2 Re(L R*) / (|L|² + |R|²), which is (|M|² − |S|²) / (|M|² + |S|²), over three
    by three bins. A mono mixture has no side, and so all of it is in the middle.
    """
    mid, side = _neighbourhood(mid), _neighbourhood(side)
    similarity = np.maximum(mid - side, 0)
    similarity /= mid + side + _TINY
    return np.square(similarity, out=similarity)


def crossover(frequencies_hz: NDArray[np.float32]) -> NDArray[np.float32]:
    """The bass's share of what is low or high in the middle, ``[F]``: a raised cosine over the octaves from 1 to 0."""
    low_hz, high_hz = CROSSOVER_HZ
    octaves = np.log2(np.maximum(frequencies_hz, low_hz) / low_hz) / np.log2(high_hz / low_hz)
    return (0.5 + 0.5 * np.cos(np.pi * np.minimum(octaves, 1))).astype(np.float32)


def _neighbourhood(power: Power) -> Power:
    """The sum over a bin and those around it, in time and in frequency."""
    rows = power.copy()
    rows[1:] += power[:-1]
    rows[:-1] += power[1:]
    total = rows.copy()
    total[:, 1:] += rows[:, :-1]
    total[:, :-1] += rows[:, 1:]
    return total
