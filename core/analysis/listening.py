"""The way of the samples to those that listen: decoded once, mixed down, and heard at one rate."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.analysis.harmony.chroma import Chroma, ChromaListener
from core.analysis.rhythm.onsets import OnsetListener, Onsets
from core.analysis.spectrum import Spectrum, SpectrumListener
from core.audio.blocks import even
from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.resample import Resampler, resample

if TYPE_CHECKING:
    from core.ports import Block

ANALYSIS_RATE = 22050
"""Hz. Beats, chords and timbre lie below 11 kHz; more would cost time and tell nothing."""


@dataclass(frozen=True)
class Voice:
    """One of the files that are heard together.

    Attributes:
        blocks: decodes it from the beginning, in blocks ``[C, T]`` of any length.
        is_harmonic: whether chords and keys are to be heard in it.
    """

    blocks: Callable[[], Generator[Block, None, None]]
    sample_rate: int
    channels: int
    is_harmonic: bool = True


@dataclass(frozen=True)
class Heard:
    """What the listeners made of it: features, about 6 kB for each second."""

    frames: int
    sample_rate: int
    channels: int
    onsets: Onsets
    chroma: Chroma
    spectrum: Spectrum
    loudness: Loudness

    @property
    def duration_seconds(self) -> float:
        """How long it is."""
        return self.frames / self.sample_rate


def listen(voices: Sequence[Voice], report: Callable[[float], None]) -> Heard:
    """Hear ``voices`` at the same time, as long as the longest of them.

    The rate is the first one's, the channels are as many as any has. ``report`` is told after each second how many
    there were; what it raises ends the run. Memory does not depend on the length, but for the features. Raises what
    decoding raises.
    """
    rate, channels = voices[0].sample_rate, max(voice.channels for voice in voices)
    loudness = LoudnessMeter(rate, channels)
    full, harmonic = Resampler(rate, ANALYSIS_RATE, 1), Resampler(rate, ANALYSIS_RATE, 1)
    onsets, spectrum, chroma = OnsetListener(), SpectrumListener(), ChromaListener()
    differ = not all(voice.is_harmonic for voice in voices) and any(voice.is_harmonic for voice in voices)
    frames = 0

    def hear(mono: Block, tonal: Block) -> None:
        onsets.add(mono[0])
        spectrum.add(mono[0])
        chroma.add(tonal[0])

    with ExitStack() as stack:
        for second in _together(voices, rate, stack):
            mixture = sum(second[1:], start=second[0])
            frames += mixture.shape[1]
            loudness.add(np.broadcast_to(mixture, (channels, mixture.shape[1])))
            mono = full.add(mixture.mean(axis=0, keepdims=True))
            hear(mono, harmonic.add(_tonal(second, voices)) if differ else mono)
            report(frames / rate)
    rest = full.finish()
    hear(rest, harmonic.finish() if differ else rest)
    return Heard(
        frames, rate, channels, onsets.finish(), chroma.finish(), spectrum.finish(), loudness.result()
    )  # fmt: skip


def _tonal(second: list[Block], voices: Sequence[Voice]) -> Block:
    """The downmix of all that has to do with the harmony."""
    parts = [part.mean(axis=0, keepdims=True) for part, voice in zip(second, voices, strict=True) if voice.is_harmonic]
    tonal: Block = sum(parts[1:], start=parts[0])
    return tonal


def _together(voices: Sequence[Voice], sample_rate: int, stack: ExitStack) -> Iterator[list[Block]]:
    """The same second of each, until all have ended; those that end before go on in silence."""
    streams = [_seconds(stack.enter_context(closing(voice.blocks())), voice, sample_rate) for voice in voices]
    while True:
        parts = [next(stream, None) for stream in streams]
        longest = max((part.shape[1] for part in parts if part is not None), default=0)
        if not longest:
            return
        yield [_filled(part, voice.channels, longest) for part, voice in zip(parts, voices, strict=True)]


def _filled(part: Block | None, channels: int, frames: int) -> Block:
    part = np.zeros((channels, 0), np.float32) if part is None else part
    return np.pad(part, ((0, 0), (0, frames - part.shape[1]))) if part.shape[1] < frames else part


def _seconds(blocks: Iterable[Block], voice: Voice, sample_rate: int) -> Generator[Block, None, None]:
    """Blocks of exactly a second but for the last, at ``sample_rate``."""
    if voice.sample_rate != sample_rate:
        blocks = resample(blocks, voice.sample_rate, sample_rate, voice.channels)
    return even(blocks, sample_rate)
