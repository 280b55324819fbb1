"""The fast path (batches in float32, delays, products in place of angles) against the plain one.

Plain means: float64, both tracks whole in memory, one window, one bin, one band after the other, phases as angles.
Tolerances are relative to the level of the bridge. Up to 0.5 only rounding differs: -136 dB were measured. Above, where
votes or spectra all but cancel each other, rounding decides on a phase, and a phase on those that follow: -57 dB.
"""

import math
from contextlib import closing

import numpy as np
import pytest
from numpy.typing import NDArray

from core.audio.blocks import even
from core.engines.morph.alignment import Alignment, Repeats, TimeMap
from core.engines.morph.endless import endless
from core.engines.morph.envelope import BAND_WIDTH, LEAST_GAIN_DB, MOST_GAIN_DB, SILENCE_DB, erb_rate
from core.engines.morph.phases import STRUCK_RATIO
from core.engines.morph.voices import SEAM_SECONDS
from core.engines.morph.windows import hop_at
from tests.music import band
from tests.unit.morph_pairs import Audio, beats_at, bridged, noise, residual_db, track

Plain = NDArray[np.float64]
PlainSpectra = NDArray[np.complex128]

SAMPLE_RATE = 44100
SECONDS = 4
HOP = hop_at(SAMPLE_RATE)
WINDOW = 4 * HOP
HANN = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
HOPS = np.arange(-1, SECONDS * SAMPLE_RATE // HOP + 3)
BEATS = beats_at(120, SECONDS, 0.1), beats_at(111, SECONDS, 0.1)


def music(seed: int) -> Audio:
    """A band's first seconds, and some noise in them, so that no bin is empty."""
    chords = ("C", "F") if seed == 1 else ("F#", "B")
    samples = band(chords, (120, 111)[seed - 1], SECONDS + 1, seed=seed).samples[:, : SECONDS * SAMPLE_RATE]
    return samples + noise(2, samples.shape[1], seed, peak=0.003)


def played(samples: Audio, time: TimeMap, repeats: Repeats) -> Audio:
    """The track with a second before it and after it: silence, or what is heard again if its time is another."""
    if time.identity:
        return np.pad(samples, ((0, 0), (SAMPLE_RATE, SAMPLE_RATE)))
    lead, loop, fade = (
        round(each * SAMPLE_RATE) for each in (repeats.lead_seconds, repeats.loop_seconds, SEAM_SECONDS)
    )
    with closing(endless([samples], lead, loop, fade)) as blocks:
        going_on = next(even(blocks, lead + samples.shape[1] + SAMPLE_RATE))
    return np.pad(going_on, ((0, 0), (SAMPLE_RATE - lead, 0)))


def spectrum_at(played_samples: Audio, middle: int) -> PlainSpectra:
    """``[C, F]``."""
    start = SAMPLE_RATE + middle - WINDOW // 2
    return np.fft.rfft(played_samples[:, start : start + WINDOW] * HANN, norm="ortho")


def plain_voice(samples: Audio, time: TimeMap, repeats: Repeats) -> PlainSpectra:
    """``[T, C, F]``: each bin's phase goes on by what its neighbours say, each with the weight of its power."""
    voice = []
    source = played(samples, time, repeats)
    angle: Plain = np.zeros(WINDOW // 2 + 1)
    last: PlainSpectra | None = None
    for hop in HOPS:
        middle = round(float(time(np.array([hop * HOP / SAMPLE_RATE]))[0]) * SAMPLE_RATE)
        before, now = spectrum_at(source, middle - HOP), spectrum_at(source, middle)
        if not time.identity:
            angle = plain_angle(before if last is None else last, before, now, angle)
        voice.append(now * np.exp(1j * angle))
        last = now
    return np.stack(voice)


def plain_angle(last: PlainSpectra, before: PlainSpectra, now: PlainSpectra, angle: Plain) -> Plain:
    votes = np.zeros(len(angle), np.complex128)
    for channel in range(len(now)):
        weight = np.abs(last[channel]) * np.abs(before[channel])
        votes += weight * np.exp(1j * (angle + np.angle(last[channel]) - np.angle(before[channel])))
        votes += np.maximum(np.abs(now[channel]) ** 2 - STRUCK_RATIO * np.abs(before[channel]) ** 2, 0)
    around = np.zeros_like(votes)
    for reach, weight in ((-2, 1), (-1, 2), (0, 3), (1, 2), (2, 1)):
        for place in range(max(-reach, 0), len(votes) - max(reach, 0)):
            around[place] += weight * votes[place + reach]
    return np.asarray(np.angle(around + 1e-20), np.float64)


def plain_bands() -> Plain:
    """The weights of triangular bands, ``[B, F]``."""
    rates = erb_rate(np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1).astype(np.float64)) / BAND_WIDTH
    return np.stack([np.maximum(1 - np.abs(rates - place), 0) for place in range(math.ceil(rates[-1]) + 1)])


def plain_envelope(voice: PlainSpectra, beat_hops: int) -> Plain:
    """``[T, B]``, a mean over two beats."""
    powers = (np.abs(voice) ** 2).sum(axis=1) @ plain_bands().T
    powers[(HOPS < 0) | (HOPS > SECONDS * SAMPLE_RATE // HOP)] = 0
    mean = np.sin(np.pi * np.arange(1, 2 * beat_hops) / (2 * beat_hops)) ** 2 / beat_hops
    return np.stack([np.convolve(powers[:, place], mean, mode="same") for place in range(powers.shape[1])], axis=1)


def plain_gains(envelope1: Plain, envelope2: Plain) -> Plain:
    """In decibels, ``[T, B]``."""
    silence = 10 ** (SILENCE_DB / 10) * 1.5 * WINDOW / 16
    gains_db = 10 * np.log10((envelope2 + 1e-6 * silence) / (envelope1 + 1e-6 * silence))
    return np.clip(gains_db, LEAST_GAIN_DB, MOST_GAIN_DB) / (1 + (silence / (envelope1 + 1e-30)) ** 2)


def plain_bridge(first: Audio, second: Audio, ratio: float) -> Plain:
    alignment = Alignment.of(track(first, BEATS[0]), track(second, BEATS[1]), SECONDS)
    crossover = max(2 * ratio - 1, 0)
    time1, time2 = alignment.maps(crossover)
    voice1 = plain_voice(first, time1, alignment.repeats1)
    voice2 = plain_voice(second, time2, alignment.repeats2)
    beat_hops = round(alignment.beat_seconds * SAMPLE_RATE / HOP)
    gains_db = plain_gains(plain_envelope(voice1, beat_hops), plain_envelope(voice2, beat_hops))
    cut = (HOPS < 2) | (HOPS > SECONDS * SAMPLE_RATE // HOP - 2)
    gains_db[cut] = np.minimum(gains_db[cut], 0)
    gains = 10 ** (min(2 * ratio, 1) * (gains_db @ plain_bands()) / 20)
    spectra1 = math.cos(math.pi / 2 * crossover) * voice1 * gains[:, np.newaxis]
    spectra2 = math.sin(math.pi / 2 * crossover) * voice2
    total = spectra1 + spectra2
    return plain_samples(np.sqrt(np.abs(spectra1) ** 2 + np.abs(spectra2) ** 2) * np.exp(1j * np.angle(total)))


def plain_samples(spectra: PlainSpectra) -> Plain:
    frames = SECONDS * SAMPLE_RATE
    samples = np.zeros((spectra.shape[1], frames + 2 * WINDOW))
    for hop, spectrum in zip(HOPS, spectra, strict=True):
        start = WINDOW + hop * HOP - WINDOW // 2
        samples[:, start : start + WINDOW] += np.fft.irfft(spectrum, norm="ortho") * HANN / 1.5
    return samples[:, WINDOW : WINDOW + frames]


@pytest.mark.parametrize(("ratio", "tolerance_db"), [(0.25, -120), (0.5, -120), (0.75, -50), (0.9, -50)])
def test_a_bridge_is_the_one_that_is_made_step_by_step(ratio: float, tolerance_db: float) -> None:
    first, second = music(1), music(2)
    made = bridged(first, second, (ratio,), *BEATS)[0]
    plain = plain_bridge(first, second, ratio).astype(np.float32)
    difference_db = residual_db(made, plain)
    print(f"at {ratio}: {difference_db:.0f} dB")
    assert difference_db < tolerance_db
