"""Two tracks for the morph engine, and what comes out between them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from core.audio.blocks import closable
from core.engines.morph.engine import MorphBridger
from core.ports import Pair, Track

SAMPLE_RATE = 44100

Audio = NDArray[np.float32]


def beats_at(tempo_bpm: float, seconds: float, first_seconds: float = 0.0) -> tuple[float, ...]:
    return tuple(np.arange(first_seconds, seconds, 60 / tempo_bpm).tolist())


def cut(samples: Audio, frames: int) -> Iterator[Audio]:
    for start in range(0, samples.shape[1], frames):
        yield samples[:, start : start + frames]


def track(samples: Audio, beats: Sequence[float] = (), block_frames: int = 65536) -> Track:
    return Track(lambda: cut(samples, block_frames), tuple(beats))


def pair(track1: Track, track2: Track, ratios: Sequence[float], frames: int, channels: int, sample_rate: int) -> Pair:
    return Pair(track1, track2, sample_rate, channels, frames, tuple(ratios), crossfade_seconds=1.0)


def bridged(
    samples1: Audio, samples2: Audio, ratios: Sequence[float], beats1: Sequence[float] = (),
    beats2: Sequence[float] = (), sample_rate: int = SAMPLE_RATE, block_frames: int = 65536,
    step: Callable[[float], None] = lambda share: None,
) -> Audio:  # fmt: skip
    """The bridges between two pieces of the same shape ``[C, T]``, as ``[R, C, T]``."""
    tracks = track(samples1, beats1, block_frames), track(samples2, beats2, block_frames)
    channels, frames = samples1.shape
    made = MorphBridger().bridge(pair(*tracks, ratios, frames, channels, sample_rate), step)
    with closing(closable(made)) as blocks:
        return np.concatenate(list(blocks), axis=2)


def level_db(samples: Audio) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-20))


def residual_db(samples: Audio, reference: Audio) -> float:
    """How far the difference lies below the reference."""
    return level_db(samples - reference) - level_db(reference)


def noise(channels: int, frames: int, seed: int = 0, peak: float = 0.5) -> Audio:
    return np.random.default_rng(seed).uniform(-peak, peak, (channels, frames)).astype(np.float32)


def tones(frequencies_hz: Sequence[float], seconds: float, sample_rate: int = SAMPLE_RATE) -> Audio:
    """Sines of the same strength, ``[1, T]``, together within ±0.5."""
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    waves = [np.sin(2 * np.pi * hz * time + hz) for hz in frequencies_hz]
    return np.asarray(np.sum(waves, axis=0)[np.newaxis] * (0.5 / len(waves)), np.float32)


def bursts(beats: Sequence[float], seconds: float, decay_seconds: float = 0.02, seed: int = 0) -> Audio:
    """A short drum of noise on every beat, ``[1, T]``."""
    samples = np.zeros((1, round(seconds * SAMPLE_RATE)), np.float32)
    length = round(8 * decay_seconds * SAMPLE_RATE)
    fall = np.exp(-np.arange(length) / (decay_seconds * SAMPLE_RATE))
    drum = noise(1, length, seed)[0] * fall
    for beat in beats:
        start = round(beat * SAMPLE_RATE)
        part = samples[0, start : start + length]
        part += drum[: part.size].astype(np.float32)
    return samples
