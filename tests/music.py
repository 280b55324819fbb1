"""Music whose beats, chords and key are known, for the tests of what analysis hears in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import soxr
from numpy.typing import NDArray

from core.engines.plucked_string.playing import play
from core.engines.synth.engine import synthesise
from core.ports import NoteRequest, StemRequest
from core.theory.chords import parse_chord
from core.theory.hand_movement import progression_shapes
from core.theory.neck import neck_of
from core.theory.techniques import Articulation

SAMPLE_RATE = 44100
BEATS_PER_BAR = 4
BAND = ("drums", "bass", "guitar", "piano")

_HARTE = {"": "maj", "m": "min", "7": "7", "maj7": "maj7", "m7": "min7", "sus4": "sus4", "dim": "dim"}

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Music:
    """Samples ``[2, T]`` and what is true of them; times in seconds.

    Attributes:
        chords: start, end and symbol.
    """

    samples: Samples
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    chords: tuple[tuple[float, float, str], ...]
    sample_rate: int = SAMPLE_RATE

    @property
    def seconds(self) -> float:
        return self.samples.shape[1] / self.sample_rate

    def with_noise(self, signal_to_noise_db: float, seed: int = 1) -> Music:
        """White noise so much below the music."""
        rms = math.sqrt(float(np.mean(np.square(self.samples, dtype=np.float64))))
        noise = np.random.default_rng(seed).standard_normal(self.samples.shape) * rms * 10 ** (-signal_to_noise_db / 20)
        return replace(self, samples=(self.samples + noise).astype(np.float32))

    def detuned(self, cents: float) -> Music:
        """Played back faster, so that it sounds so many cents higher; its times shrink alike."""
        ratio = 2 ** (cents / 1200)
        samples = soxr.resample(self.samples.T, SAMPLE_RATE * ratio, SAMPLE_RATE).T
        return replace(
            self,
            samples=np.ascontiguousarray(samples, np.float32),
            beats=tuple(time / ratio for time in self.beats),
            downbeats=tuple(time / ratio for time in self.downbeats),
            chords=tuple((start / ratio, end / ratio, symbol) for start, end, symbol in self.chords),
        )


def band(
    chords: Sequence[str] = ("C", "G", "Am", "F"), tempo_bpm: float = 120.0, seconds: float = 30.0,
    stems: Sequence[str] = BAND, style: str = "pop", temperature: float = 0.3, seed: int = 1,
) -> Music:  # fmt: skip
    """The synth's players together, a chord a bar."""
    requests = [StemRequest(stem, seconds, tempo_bpm, style, tuple(chords), "", temperature, seed) for stem in stems]
    mix = sum(np.concatenate(list(synthesise(request)), axis=1) for request in requests) / len(requests)
    return _in_time(np.asarray(mix, np.float32), chords, tempo_bpm)


def guitar(
    chords: Sequence[str] = ("C", "G", "Am", "F"), tempo_bpm: float = 100.0, bars: int = 12,
    strums: Sequence[float] = (0, 1, 2, 3), seed: int = 1,
) -> Music:  # fmt: skip
    """A clean guitar that strums each chord for a bar, at these beats of it, with the shapes that a player uses."""
    beat_seconds = 60 / tempo_bpm
    neck = neck_of("acoustic_guitar", "standard")
    shapes = progression_shapes([parse_chord(symbol) for symbol in chords], neck, "open")
    mix = np.zeros((2, round((bars * BEATS_PER_BAR * beat_seconds + 2) * SAMPLE_RATE)), np.float32)
    times = [(bar, (bar * BEATS_PER_BAR + beat) * beat_seconds) for bar in range(bars) for beat in strums]
    starts = [time for _, time in times[1:]] + [times[-1][1] + 2]
    for (bar, time), following in zip(times, starts, strict=True):
        shape = shapes[bar % len(shapes)]
        held = following - time + 0.02
        for order, (string, open_pitch, fret) in enumerate(_held(shape.frets, neck.open_pitches)):
            note = string_note(string, open_pitch, fret, max(round(held, 3), 0.1), seed)
            start = round((time + 0.008 * order) * SAMPLE_RATE)
            part = note[:, : mix.shape[1] - start]
            mix[:, start : start + part.shape[1]] += part
    mix = mix[:, : round(bars * BEATS_PER_BAR * beat_seconds * SAMPLE_RATE)]
    return _in_time(mix * np.float32(0.5 / max(float(np.abs(mix).max()), 1e-9)), chords, tempo_bpm)


def harte(symbol: str) -> str:
    """A chord of the music in Harte's notation: ``F#:min7`` for ``F#m7``."""
    root = symbol[:2] if symbol[1:2] in ("#", "b") else symbol[:1]
    return f"{root}:{_HARTE[symbol.removeprefix(root)]}"


def _held(frets: Sequence[int | None], open_pitches: Sequence[int]) -> list[tuple[int, int, int]]:
    """String number, open pitch and fret of the strings that sound, the lowest first."""
    strings = len(open_pitches)
    return [
        (strings - index, pitch, fret)
        for index, (pitch, fret) in enumerate(zip(open_pitches, frets, strict=True))
        if fret is not None and fret >= 0
    ]


@cache
def string_note(string: int, open_pitch: int, fret: int, seconds: float, seed: int) -> Samples:
    request = NoteRequest(
        instrument="acoustic_guitar", string=string, fret=fret, open_pitch=open_pitch, velocity=0.7,
        techniques=("pluck",), articulation=Articulation(), duration_seconds=seconds, style="", seed=seed,
    )  # fmt: skip
    return play(request)


def _in_time(samples: Samples, chords: Sequence[str], tempo_bpm: float) -> Music:
    beat_seconds = 60 / tempo_bpm
    seconds = samples.shape[1] / SAMPLE_RATE
    count = math.ceil(seconds / beat_seconds - 1e-9)
    beats = tuple(index * beat_seconds for index in range(count))
    bar_seconds = beat_seconds * BEATS_PER_BAR
    spans = [
        (start, min(start + bar_seconds, seconds), chords[index % len(chords)])
        for index, start in enumerate(beats[::BEATS_PER_BAR])
    ]
    return Music(samples, beats, beats[::BEATS_PER_BAR], tuple(spans))
