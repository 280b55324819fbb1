"""What the sound is like: properties of its spectrum in short frames, and how they are spread over the file.

Frames of 186 ms, ten a second, as Jiang et al. (2002) have them. Definitions after Peeters (2004, *A large set of
audio features for sound description*), Tzanetakis and Cook (2002, *Musical genre classification of audio signals*)
and Jiang et al. (2002, *Music type classification by spectral contrast feature*).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.analysis.result import SpectralFeature

Floats = NDArray[np.float32]

UNITS = {
    "spectral_centroid": "Hz",
    "spectral_bandwidth": "Hz",
    "spectral_rolloff": "Hz",
    "spectral_flatness": "dB",
    "spectral_contrast": "dB",
    "zero_crossing_rate": "1/s",
    "rms_level": "dBFS",
}
"""The features in the order of ``Spectrum.values``, each with its unit."""

TIMBRE_COEFFICIENTS = 12
SILENCE_DBFS = -70.0
"""A frame softer than this is silent: the absolute gate of EBU R 128."""

_FRAME = 4096
_HOP = 2205
_BATCH_FRAMES = 64
_ROLLOFF = 0.85
_LOWEST_POWER = 1e-12
_LOUDEST = 16.0  # full scale is 1; what is beyond is no sample, and its square would not fit float32
_OCTAVES_HZ = (0, 200, 400, 800, 1600, 3200, 6400, 11025)
_EXTREMES = 0.02
_MEL_BANDS = 40


@dataclass(frozen=True)
class Spectrum:
    """The features of every frame.

    Attributes:
        values: float32 ``[N, 7]``, a column for each name in ``UNITS``; a sine at full scale has −3 dBFS.
        timbre: float32 ``[N, 12]``: mel-frequency cepstral coefficients 1 to 12, about 0 in silence.
        frame_rate: frames a second.
        first_seconds: the middle of the first frame.
    """

    values: Floats
    timbre: Floats
    frame_rate: float
    first_seconds: float

    @property
    def times(self) -> NDArray[np.float64]:
        """The middle of each frame, in seconds ``[N]``."""
        return self.first_seconds + np.arange(len(self.values)) / self.frame_rate

    @property
    def level_dbfs(self) -> Floats:
        """The level of each frame ``[N]``."""
        return self.values[:, -1]

    def features(self) -> dict[str, SpectralFeature]:
        """How each feature is spread over the frames that are not silent; empty if all are."""
        heard = self.values[self.level_dbfs > SILENCE_DBFS].astype(np.float64)
        if not len(heard):
            return {}
        return {name: _spread(column, unit) for column, (name, unit) in zip(heard.T, UNITS.items(), strict=True)}


class SpectrumListener:
    """Hears a file block by block and keeps 76 bytes a frame.

    Frames are worked on in batches that begin at the same places whatever the blocks are, so that the results do not
    depend on them. What does not fill a last frame is left out, unless there is no other frame.
    """

    def __init__(self, rate: int = 22050) -> None:
        """Start a file at ``rate`` Hz."""
        self._rate = rate
        self._pending = np.zeros((_BATCH_FRAMES - 1) * _HOP + _FRAME, np.float32)
        self._filled = 0
        self._analyser = _Analyser(rate)
        self._values: list[Floats] = []
        self._timbres: list[Floats] = []

    def add(self, block: Floats) -> None:
        """Go on with mono samples ``[T]``; NaN counts as silence."""
        while block.size:
            part = block[: self._pending.size - self._filled]
            self._pending[self._filled : self._filled + part.size] = np.clip(np.nan_to_num(part), -_LOUDEST, _LOUDEST)
            self._filled += part.size
            block = block[part.size :]
            if self._filled == self._pending.size:
                self._analyse(_BATCH_FRAMES)

    def finish(self) -> Spectrum:
        """The features of all that was added. To be called once, at the end."""
        frames = (self._filled - _FRAME) // _HOP + 1
        if frames < 1 and self._filled and not self._values:
            self._pending[self._filled :] = 0
            frames = 1
        if frames > 0:
            self._analyse(frames)
        values = np.concatenate([np.zeros((0, len(UNITS)), np.float32), *self._values])
        timbre = np.concatenate([np.zeros((0, TIMBRE_COEFFICIENTS), np.float32), *self._timbres])
        return Spectrum(values, timbre, self._rate / _HOP, _FRAME / 2 / self._rate)

    def _analyse(self, frames: int) -> None:
        """Take the frames at the start of what is pending."""
        windows = np.lib.stride_tricks.sliding_window_view(self._pending, _FRAME)[::_HOP][:frames]
        values, timbre = self._analyser.analyse(windows)
        self._values.append(values)
        self._timbres.append(timbre)
        rest = self._pending[frames * _HOP : self._filled].copy()
        self._pending[: rest.size] = rest
        self._filled = rest.size


class _Analyser:
    """Computes the features of frames at one rate."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._window = np.hanning(_FRAME + 1)[:-1].astype(np.float32)
        self._frequencies = np.fft.rfftfreq(_FRAME, 1 / rate).astype(np.float32)
        self._octaves = [int(edge) for edge in np.searchsorted(self._frequencies, _OCTAVES_HZ)]
        self._mel = _mel_filters(self._frequencies)
        self._cosines = _cosines(_MEL_BANDS, TIMBRE_COEFFICIENTS)

    def analyse(self, frames: Floats) -> tuple[Floats, Floats]:
        """The features ``[N, 7]`` and the timbre ``[N, 12]`` of frames ``[N, 4096]``."""
        spectra = np.fft.rfft(frames * self._window)
        power = np.square(spectra.real) + np.square(spectra.imag)
        power *= np.float32(1 / np.sum(np.square(self._window)))
        magnitude = np.sqrt(power)
        columns = (
            *self._shape(magnitude),
            _flatness_db(power),
            self._contrast_db(magnitude),
            _zero_crossings(frames) * self._rate / (_FRAME - 1),
            10 * np.log10(np.mean(np.square(frames), axis=1) + _LOWEST_POWER),
        )
        return np.stack(columns, axis=1).astype(np.float32), self._timbre(power)

    def _shape(self, magnitude: Floats) -> tuple[Floats, Floats, Floats]:
        """Centroid and spread (Peeters 2004, 6.1.1 and 6.1.2) and rolloff (Tzanetakis and Cook 2002), in Hz."""
        frequencies = self._frequencies
        total = np.maximum(magnitude.sum(axis=1), np.float32(_LOWEST_POWER))
        centroid = magnitude @ frequencies / total
        spread = np.sqrt(np.maximum(magnitude @ np.square(frequencies) / total - np.square(centroid), 0))
        below = np.cumsum(magnitude, axis=1) < _ROLLOFF * total[:, np.newaxis]
        rolloff = frequencies[np.minimum(below.sum(axis=1), frequencies.size - 1)]
        heard = total > _LOWEST_POWER
        return centroid, spread, np.where(heard, rolloff, np.float32(0))

    def _contrast_db(self, magnitude: Floats) -> Floats:
        """Jiang et al. (2002): how far the peaks stand above the valleys, the mean over the octaves."""
        contrasts = []
        for low, high in zip(self._octaves[:-1], self._octaves[1:], strict=True):
            ordered = np.sort(magnitude[:, low:high], axis=1)
            count = max(1, round(_EXTREMES * (high - low)))
            peaks, valleys = ordered[:, -count:].mean(axis=1), ordered[:, :count].mean(axis=1)
            contrasts.append(20 * np.log10((peaks + _LOWEST_POWER**0.5) / (valleys + _LOWEST_POWER**0.5)))
        return np.asarray(np.mean(contrasts, axis=0), np.float32)

    def _timbre(self, power: Floats) -> Floats:
        """Mel-frequency cepstral coefficients from the first on (Davis and Mermelstein 1980), of levels in dB."""
        levels = 10 * np.log10(power @ self._mel + np.float32(_LOWEST_POWER))
        return np.asarray(levels @ self._cosines, np.float32)


def _flatness_db(power: Floats) -> Floats:
    """The geometric mean over the arithmetic one (Peeters 2004, 9.1): 0 dB for a click, −2.5 dB for white noise."""
    power = power + np.float32(_LOWEST_POWER)
    return np.asarray(10 * np.log10(power).mean(axis=1) - 10 * np.log10(power.mean(axis=1)))


def _zero_crossings(frames: Floats) -> NDArray[np.int64]:
    negative = np.signbit(frames)
    return np.asarray(np.count_nonzero(negative[:, 1:] != negative[:, :-1], axis=1))


def _mel_filters(frequencies: Floats) -> Floats:
    """Triangles ``[F, 40]``, evenly spaced on the mel scale of O'Shaughnessy (1987) up to half the rate."""
    highest = 2595 * np.log10(1 + frequencies[-1] / 700)
    centres = 700 * (10 ** (np.linspace(0, highest, _MEL_BANDS + 2) / 2595) - 1)
    rising = (frequencies[:, np.newaxis] - centres[:-2]) / np.diff(centres)[:-1]
    falling = (centres[2:] - frequencies[:, np.newaxis]) / np.diff(centres)[1:]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles / triangles.sum(axis=0), np.float32)


def _cosines(bands: int, coefficients: int) -> Floats:
    """The orthonormal discrete cosine transform (type II) ``[bands, coefficients]``, without the mean."""
    angles = np.pi / bands * np.outer(np.arange(bands) + 0.5, np.arange(1, coefficients + 1))
    return np.asarray(np.sqrt(2 / bands) * np.cos(angles), np.float32)


def _spread(values: NDArray[np.float64], unit: str) -> SpectralFeature:
    low, high = np.percentile(values, (10, 90))
    return SpectralFeature(
        unit=unit,
        mean=round(float(values.mean()), 3),
        standard_deviation=round(float(values.std()), 3),
        tenth_percentile=round(float(low), 3),
        ninetieth_percentile=round(float(high), 3),
    )
