"""The kit. Each hit rings as long as the drum does, however short the step."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

import numpy as np

from core.engines.synth.mixing import Sound
from core.engines.synth.oscillators import (
    Mono,
    centred,
    decay,
    frames_of,
    gliding_phase,
    noise,
    seconds_axis,
    shape,
)

LEVEL = 0.75
KICK_START_HZ, KICK_END_HZ = 80.0, 40.0
KICK_SETTLE_SECONDS = 0.06
"""The sweep is within 1 Hz of its end after 0.22 s."""
KICK_SECONDS, KICK_DECAY_SECONDS = 0.4, 0.11
_RIDE_PARTIALS_HZ = (2937.0, 3511.0, 4289.0, 5303.0, 6547.0)
"""No two in a simple ratio: metal, not a chord."""


def hit(name: str, noise_seed: int) -> Sound:
    """One hit of a drum at full velocity; its noise depends on the seed and the name alone."""
    rng = np.random.Generator(np.random.PCG64([noise_seed, zlib.crc32(name.encode())]))
    return shape(_DRUMS[name](rng) * np.float32(LEVEL), 0.0008, 0.01)


def kick_body(frames: int) -> Mono:
    """The sweep from 80 to 40 Hz under an exponential decay, ``[T]``."""
    envelope = shape(decay(frames, KICK_DECAY_SECONDS), 0.001, 0.05)
    phase = gliding_phase(KICK_START_HZ, KICK_END_HZ, KICK_SETTLE_SECONDS, frames)
    return centred(np.sin(phase) * envelope, envelope)


def _kick(rng: np.random.Generator) -> Sound:
    body: Mono = kick_body(frames_of(KICK_SECONDS)) * np.float32(0.55)
    click = frames_of(0.006)
    body[:click] += noise(click, rng) * decay(click, 0.0015) * np.float32(0.12)
    return body[np.newaxis]


def _snare(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.25)
    time = seconds_axis(frames)
    shell = np.sin(time * np.float32(2 * np.pi * 185)) + np.sin(time * np.float32(2 * np.pi * 331)) * np.float32(0.6)
    rattle = _wide_noise(frames, rng, 1) * decay(frames, 0.07)
    sound: Sound = np.float32(0.2) * shell * decay(frames, 0.05) + np.float32(0.32) * rattle
    return sound


def _rim(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.08)
    time = seconds_axis(frames)
    wood = np.sin(time * np.float32(2 * np.pi * 1720)) + np.sin(time * np.float32(2 * np.pi * 480)) * np.float32(0.7)
    crack = np.float32(0.3) * noise(frames, rng) * decay(frames, 0.004)
    sound: Mono = np.float32(0.25) * wood * decay(frames, 0.018) + crack
    return sound[np.newaxis]


def _hat(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.09)
    return np.float32(0.09) * _wide_noise(frames, rng, 3) * decay(frames, 0.018)


def _open(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.4)
    return np.float32(0.08) * _wide_noise(frames, rng, 3) * decay(frames, 0.11)


def _ride(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.6)
    time = seconds_axis(frames) * np.float32(2 * np.pi)
    ping = np.zeros(frames, np.float32)
    for partial_hz in _RIDE_PARTIALS_HZ:
        ping += np.sin(time * np.float32(partial_hz))
    wash = _wide_noise(frames, rng, 2) * decay(frames, 0.04)
    return np.float32(0.04) * ping * decay(frames, 0.17) + np.float32(0.1) * wash


def _tom(rng: np.random.Generator) -> Sound:
    frames = frames_of(0.35)
    envelope = decay(frames, 0.1) * np.float32(0.45)
    return centred(np.sin(gliding_phase(165, 98, 0.07, frames)) * envelope, envelope)[np.newaxis]


def _wide_noise(frames: int, rng: np.random.Generator, steepness: int) -> Sound:
    """Noise ``[2, T]`` that both channels share for the most part, so that it survives the sum to mono."""
    mid, side = noise(frames, rng, steepness), noise(frames, rng, steepness) * np.float32(0.45)
    return np.stack([mid + side, mid - side])


_DRUMS: Mapping[str, Callable[[np.random.Generator], Sound]] = {
    "kick": _kick,
    "snare": _snare,
    "rim": _rim,
    "hat": _hat,
    "open": _open,
    "ride": _ride,
    "tom": _tom,
}
