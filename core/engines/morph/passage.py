"""Bridges that keep the same time, made together: their tracks are read, stretched and analysed once.

Everything is counted in hops of the bridge. A spectrum of track 1 waits until the powers of both tracks are known for a
beat after it; then it is given track 2's envelope, and goes over into the spectrum of track 2 that belongs there.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.engines.morph.alignment import Alignment
from core.engines.morph.delays import Delay, Surroundings
from core.engines.morph.envelope import SILENCE_DB, Bands, Powers, beat_window, transfer
from core.engines.morph.phases import power
from core.engines.morph.synthesis import Synthesis
from core.engines.morph.voices import Voice, voice
from core.engines.morph.windows import hop_at
from core.engines.spectral.stft import HOPS_PER_WINDOW, Spectra
from core.errors import NotFinite
from core.ports import Pair

if TYPE_CHECKING:
    from core.ports import StemBlock

BATCH_HOPS = 64
"""What is computed at once: 0.74 s."""
_TINY = np.float32(1e-20)


@dataclass(frozen=True)
class Weights:
    """What a ratio asks for, each 0 to 1.

    Attributes:
        envelope: how far track 1 has taken on the envelope of track 2.
        crossover: how far all else has gone over into track 2.
    """

    envelope: float
    crossover: float

    @classmethod
    def of(cls, ratio: float) -> Weights:
        """The envelope first, up to 0.5, and then the rest."""
        return cls(min(2 * ratio, 1.0), max(2 * ratio - 1, 0.0))


class Passage:
    """The bridges at one crossover between two tracks, one for each share of the envelope."""

    def __init__(self, pair: Pair, alignment: Alignment, crossover: float, envelopes: Sequence[float]) -> None:
        self._pair = pair
        self._alignment = alignment
        self._crossover = crossover
        self._envelopes = envelopes
        self._hop = hop_at(pair.sample_rate)
        self._bands = Bands(HOPS_PER_WINDOW * self._hop // 2 + 1, pair.sample_rate)
        self._beat = max(round(alignment.beat_seconds * pair.sample_rate / self._hop), 1)
        # a sine at full scale has N / 16 in the middle bin of its peak, and half as much again in those around it
        self._silence = 10 ** (SILENCE_DB / 10) * 1.5 * HOPS_PER_WINDOW * self._hop / 16

    def blocks(self) -> Iterator[StemBlock]:
        """Yield ``[R, C, T]``, ``pair.frames`` in all, at most 0.9 s each; the first ones may be empty.

        Raises:
            NotFinite: a track holds samples that are no numbers, or too large to be squared.
        """
        late = (self._beat - 1 + HOPS_PER_WINDOW - 1) * self._hop
        missing = self._pair.frames
        with ExitStack() as stack:
            synthesis = Synthesis(self._hop)
            for spectra, loudest in self._spectra(*self._sides(stack)):
                samples = synthesis.push(spectra, loudest)
                block = samples[:, :, late : late + missing]
                late = max(late - samples.shape[2], 0)
                missing -= block.shape[2]
                if not np.isfinite(block.sum()):
                    raise NotFinite("the morph engine was given samples that are no numbers")
                yield block
                if missing == 0:
                    return

    def _sides(self, stack: ExitStack) -> Iterator[_Side]:
        pair, alignment = self._pair, self._alignment
        times = alignment.maps(self._crossover)
        heard = (True, self._crossover > 0)
        both = zip((pair.track1, pair.track2), times, (alignment.repeats1, alignment.repeats2), heard, strict=True)
        for track, time, repeats, audible in both:
            opened = voice(track, time, repeats, pair.sample_rate, pair.channels, heard=audible)
            yield _Side(stack.enter_context(opened), self._bands, self._beat)

    def _spectra(self, side1: _Side, side2: _Side) -> Iterator[tuple[NDArray[np.complex64], NDArray[np.float32]]]:
        """Yield the bridges' spectra ``[R, C, T, F]`` and the largest sample of either track around them, ``[T]``.

        They go on without end, and begin late by a window and what is looked ahead.
        """
        last_hop = self._pair.frames // self._hop
        reach = HOPS_PER_WINDOW // 2
        for first_hop in count(-1, BATCH_HOPS):
            hops = np.arange(first_hop, first_hop + BATCH_HOPS)
            within = (hops >= 0) & (hops <= last_hop)
            sound1, sound2 = side1.sounds(hops, within), side2.sounds(hops, within)
            gains = transfer(sound1.powers, sound2.powers, self._silence)
            places = hops - (self._beat - 1)
            cut = (places < reach) | (places > last_hop - reach)
            gains[cut] = np.minimum(gains[cut], 0)  # where a track is cut it clicks in every band: that is not raised
            yield (
                np.stack([self._between(sound1, sound2, np.float32(share) * gains) for share in self._envelopes]),
                np.maximum(sound1.loudest, sound2.loudest),
            )

    def _between(self, sound1: _Sound, sound2: _Sound, gains: Powers) -> Spectra:
        spectra: Spectra = sound1.spectra * self._bands.gains(gains)
        return interpolate(spectra, sound2.spectra, self._crossover) if self._crossover else spectra


@dataclass(frozen=True)
class _Sound:
    """What a track sounds like at ``T`` hops.

    Attributes:
        spectra: ``[C, T, F]``.
        powers: of the bands, in all channels together and over the beat around each hop, ``[T, B]``.
        loudest: the largest sample in as long a time, ``[T]``.
    """

    spectra: Spectra
    powers: Powers
    loudest: NDArray[np.float32]


class _Side:
    """One track as the bridge hears it, late by the time that it looks ahead."""

    def __init__(self, heard: Voice, bands: Bands, beat: int) -> None:
        self._voice = heard
        self._bands = bands
        self._window = beat_window(beat)
        self._spectra = Delay(beat - 1)
        self._powers, self._peaks = Surroundings(beat - 1), Surroundings(beat - 1)

    def sounds(self, hops: NDArray[np.int64], within: NDArray[np.bool_]) -> _Sound:
        """Go on by these hops. What sounds at those that are not ``within`` the bridge has no part in its envelope."""
        spectra, peaks = self._voice.spectra(hops)
        powers = self._bands.powers(power(spectra).sum(axis=0)) * within[:, np.newaxis]
        return _Sound(
            self._spectra.push(spectra),
            np.einsum("tbk,k->tb", self._powers.push(powers), self._window),
            self._peaks.push(peaks[:, np.newaxis]).max(axis=(1, 2)),
        )


def interpolate(first: Spectra, second: Spectra, crossover: float) -> Spectra:
    """Between two spectra at equal power, whether they have anything in common or not.

    The phases are those of the weighted sum. Its magnitudes would depend on them, and sink where they oppose each
    other; they are replaced by those of the sum of powers.
    """
    angle = math.pi / 2 * crossover
    first, second = first * np.float32(math.cos(angle)), second * np.float32(math.sin(angle))
    total: Spectra = first + second
    total *= np.sqrt((power(first) + power(second)) / (power(total) + _TINY))
    return total
