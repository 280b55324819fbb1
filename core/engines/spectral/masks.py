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

from core.engines.spectral.medians import reach, running_median

Power = NDArray[np.float32]
"""Squared magnitudes or shares, ``[T, F]``."""

TIME_STRIDE = 2
"""Nine taps, two hops apart, see 0.37 s: more than most drums ring, less than most notes hold."""
CONTEXT_HOPS = reach(TIME_STRIDE)
"""How many spectra before and after those that are divided must be heard."""
LOW_STRIDE, HIGH_STRIDE = 1, 2
"""Nine taps see 97 Hz in the low band, where the partials of a bass lie close together, and 183 Hz above it, where a
voice's vibrato spreads each of its partials."""
CROSSOVER_HZ = (150.0, 250.0)
"""From here to there the bass hands over to the voice."""
STEADY_SHARE = 0.25
"""What the voice leaves of a sound in the middle that holds its pitch, for instruments stand there too. In a mono
mixture, where everything is in the middle, this alone tells them from the voice: a voice seldom holds still."""
_TINY = np.float32(1e-30)
"""Keeps 0 / 0 from being anything but 0. Samples are brought to a peak near 1 beforehand."""


@dataclass(frozen=True)
class Shares:
    """What each source has of the middle, ``[T, F]``, from 0 to 1; what they leave belongs to all other instruments.

    The drums have the same share of the side, and leave the rest of that to the others too.
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
        """The shares in ``T − 16`` spectra, from the powers in ``T``: the eight at either end are context."""
        energy = mid + side
        inner = slice(CONTEXT_HOPS, len(mid) - CONTEXT_HOPS)
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
    """How much of the middle was put there, ``[T, F]``: 1 if both channels are alike, 0 if they have nothing in common.

    Avendano's similarity, 2 Re(L R*) / (|L|² + |R|²), summed over three by three bins; in terms of mid
    and side that is (|M|² − |S|²) / (|M|² + |S|²). A mono mixture has no side, so all of it is in the middle.
    """
    mid, side = _neighbourhood(mid), _neighbourhood(side)
    similarity: Power = np.maximum(mid - side, 0)
    similarity /= mid + side + _TINY
    return similarity


def crossover(frequencies_hz: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of the bass in what is tonal and in the middle, ``[F]``: 1 below, 0 above, a raised cosine between."""
    low_hz, high_hz = CROSSOVER_HZ
    octaves = np.log2(np.maximum(frequencies_hz, low_hz) / low_hz) / np.log2(high_hz / low_hz)
    share: NDArray[np.float32] = (0.5 + 0.5 * np.cos(np.pi * np.minimum(octaves, 1))).astype(np.float32)
    return share


def _neighbourhood(power: Power) -> Power:
    """The sum over a bin and those around it, in time and in frequency."""
    rows = power.copy()
    rows[1:] += power[:-1]
    rows[:-1] += power[1:]
    total = rows.copy()
    total[:, 1:] += rows[:, :-1]
    total[:, :-1] += rows[:, 1:]
    return total
