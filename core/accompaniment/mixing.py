"""Stems and source side by side: their sum, and the gains that make it a mix."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.accompaniment.takes import CHANNELS
from core.audio.blocks import even
from core.audio.levels import CEILING_DBTP
from core.audio.loudness import Loudness, LoudnessMeter
from core.audio.truepeak import TruePeakMeter
from core.audio.waveform import db_to_gain, gain_to_db

if TYPE_CHECKING:
    from core.ports import Block

BLOCK_FRAMES = 65_536
LOUDNESS_LUFS = -16.0
"""Of all stems together where there is nothing that they go with: the target for music of AES TD1008."""

Blocks = Callable[[], "Generator[Block, None, None]"]
"""Starts a stream of blocks ``[2, T]`` from its beginning."""


@dataclass(frozen=True)
class Levels:
    """Linear gains: the mix is ``source`` times the source, plus each of ``stems`` times its stem.

    Attributes:
        accompaniment_lufs: of all stems together, as delivered; ``None`` for silence.
    """

    source: float
    stems: tuple[float, ...]
    accompaniment_lufs: float | None


def side_by_side(streams: Sequence[Blocks]) -> Generator[list[Block], None, None]:
    """The same stretch of each stream, block by block; they must be of one length."""
    with ExitStack() as stack:
        evened = [even(stack.enter_context(closing(stream())), BLOCK_FRAMES) for stream in streams]
        for blocks in zip(*evened, strict=True):
            yield list(blocks)


def weighted(blocks: Sequence[Block], gains: Sequence[float]) -> Block:
    """The sum of ``blocks``, each times its gain."""
    total = np.zeros_like(blocks[0])
    for block, gain in zip(blocks, gains, strict=True):
        total += block * np.float32(gain)
    return total


def balanced(
    stems: Sequence[Blocks], measured: Sequence[Loudness], source: Blocks | None, target_lufs: float, sample_rate: int,
    check: Callable[[], None],
) -> Levels:  # fmt: skip
    """The levels at which all stems are equally loud, and together ``target_lufs``.

    If the true peak of a stem, or that of the sum with ``source``, would pass the ceiling, everything is lowered alike,
    the source too. That all are equally loud is what automatic mixing begins with (Perez Gonzalez, Reiss 2009).
    ``check`` is called for each block, and may raise to stop.
    """
    equal = [
        1.0 if each.integrated_lufs is None else db_to_gain(target_lufs - each.integrated_lufs) for each in measured
    ]
    together_lufs = _loudness(stems, equal, sample_rate, check)
    raised = 1.0 if together_lufs is None else db_to_gain(target_lufs - together_lufs)
    gains = [gain * raised for gain in equal]
    peaks_dbtp = [
        each.true_peak_dbtp + gain_to_db(gain)
        for gain, each in zip(gains, measured, strict=True)
        if each.true_peak_dbtp is not None
    ]
    if source is not None:
        peaks_dbtp.append(_true_peak_dbtp([source, *stems], [1.0, *gains], check))
    lowered_db = min(CEILING_DBTP - max(peaks_dbtp, default=-math.inf), 0.0)
    lowered = db_to_gain(lowered_db)
    accompaniment_lufs = None if together_lufs is None else target_lufs + lowered_db
    return Levels(lowered, tuple(gain * lowered for gain in gains), accompaniment_lufs)


def _loudness(
    streams: Sequence[Blocks], gains: Sequence[float], sample_rate: int, check: Callable[[], None]
) -> float | None:
    meter = LoudnessMeter(sample_rate, CHANNELS)
    with closing(side_by_side(streams)) as stretches:
        for blocks in stretches:
            check()
            meter.add(weighted(blocks, gains))
    return meter.result().integrated_lufs


def _true_peak_dbtp(streams: Sequence[Blocks], gains: Sequence[float], check: Callable[[], None]) -> float:
    meter = TruePeakMeter(CHANNELS)
    with closing(side_by_side(streams)) as stretches:
        for blocks in stretches:
            check()
            meter.add(weighted(blocks, gains))
    return gain_to_db(meter.finish())
