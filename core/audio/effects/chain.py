"""Effects applied to audio: a stream of blocks, in memory that does not grow, or a whole array."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.audio.effects.delay import Echoes
from core.audio.effects.drive import Bend
from core.audio.effects.filters import FilterGraph, filters_of, softened
from core.audio.effects.processor import Mixed, Processor, Series
from core.audio.effects.request import AnyEffect, Delay, Drive, Reverb, frequency_errors
from core.audio.effects.reverb import Convolver, impulse_response
from core.audio.waveform import db_to_gain
from core.errors import InvalidRequest

if TYPE_CHECKING:
    from core.ports import Block

_FRAMES_AT_ONCE = 65_536


def apply_effects(
    chain: Sequence[AnyEffect], blocks: Iterable[Block], sample_rate: int, channels: int, tail_seconds: float = 0.0
) -> Iterator[Block]:
    """Yield ``blocks`` ``[C, T]`` as they sound after each effect in turn, ``tail_seconds`` longer than they came.

    Nothing is delayed: frame n comes of frame n and those around it. The blocks that are yielded are cut otherwise than
    those that came, but the samples do not depend on either. They are finite if those that came are, and may well be
    beyond ±1.

    Args:
        channels: 1 or 2.
        tail_seconds: what echoes and rooms may have to die away.

    Raises:
        InvalidRequest: a frequency that is not below half of ``sample_rate``; pointers begin with ``/effects``.
    """
    errors = list(frequency_errors(chain, sample_rate))
    if errors:
        raise InvalidRequest(errors)
    series = Series([processor_of(effect, sample_rate, channels) for effect in chain])
    return _processed(series, _with_silence(blocks, round(tail_seconds * sample_rate), channels))


def apply_to(chain: Sequence[AnyEffect], samples: Block, sample_rate: int, tail_seconds: float = 0.0) -> Block:
    """The same for a whole array ``[C, T]``."""
    pieces = (samples[:, start : start + _FRAMES_AT_ONCE] for start in range(0, samples.shape[1], _FRAMES_AT_ONCE))
    processed = apply_effects(chain, pieces, sample_rate, samples.shape[0], tail_seconds)
    return np.concatenate([samples[:, :0], *processed], axis=1)


def processor_of(effect: AnyEffect, sample_rate: int, channels: int) -> Processor:
    """What makes ``effect``, set up for a stream."""
    match effect:
        case Delay():
            echoes = Echoes(round(effect.time_ms / 1000 * sample_rate), effect.feedback, channels)
            return Mixed(echoes, effect.mix, channels)
        case Drive():
            return Mixed(_driven(effect, sample_rate, channels), effect.mix, channels)
        case Reverb():
            return Mixed(Convolver(_room(effect, sample_rate, channels)), effect.mix, channels)
        case _:
            return FilterGraph(filters_of(effect), sample_rate, channels)


def _driven(effect: Drive, sample_rate: int, channels: int) -> Processor:
    bend = Bend(db_to_gain(effect.drive_db), sample_rate, channels)
    if effect.tone_hz >= sample_rate / 2:
        return bend
    return Series((bend, softened(effect.tone_hz, sample_rate, channels)))


def _room(effect: Reverb, sample_rate: int, channels: int) -> Block:
    return impulse_response(effect.decay_seconds, effect.pre_delay_ms / 1000, effect.damping_hz, sample_rate, channels)


def _processed(processor: Processor, blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        processed = processor.add(block)
        if processed.shape[1]:
            yield processed
    rest = processor.finish()
    if rest.shape[1]:
        yield rest


def _with_silence(blocks: Iterable[Block], frames: int, channels: int) -> Iterator[Block]:
    yield from blocks
    for start in range(0, frames, _FRAMES_AT_ONCE):
        yield np.zeros((channels, min(_FRAMES_AT_ONCE, frames - start)), np.float32)
