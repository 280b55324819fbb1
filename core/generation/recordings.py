"""What of a file an engine needs: the end of what a stem goes on from, the beginning of a melody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.audio.conversion import Conversion
from core.files.decoded import decoded
from core.files.inputs import Input, errors_of
from core.generation.inputs import AUDIO_PROMPT
from core.ports import Blobs, Recording

if TYPE_CHECKING:
    from core.ports import Block

LONGEST_PROMPT_SECONDS = 10.0
"""More of an audio prompt than this no model goes on from: most of its 30 s is to be new."""


def recordings(
    blobs: Blobs, inputs: dict[str, Input], sample_rate: int, melody_seconds: float, report: Callable[[str], None]
) -> dict[str, Recording]:
    """The inputs by name, at ``sample_rate`` Hz, so that they take no more memory than the model needs.

    ``report`` is told after each second that was decoded, and may raise to stop. Raises ``AudioError``,
    ``SourceChanged`` or ``SourceNotFound``.
    """
    found = {}
    for name, entry in inputs.items():
        with errors_of(name), closing(_blocks(blobs, entry, sample_rate, partial(report, name))) as blocks:
            if name == AUDIO_PROMPT:
                samples = last(blocks, round(LONGEST_PROMPT_SECONDS * sample_rate))
            else:
                samples = first(blocks, round(melody_seconds * sample_rate))
        found[name] = Recording(samples, sample_rate)
    return found


def first(blocks: Iterable[Block], frames: int) -> Block:
    """The first ``frames`` of what the blocks ``[C, T]`` hold together, or all there are; no more is read."""
    kept = []
    for block in blocks:
        kept.append(block[:, :frames])
        frames -= kept[-1].shape[1]
        if frames == 0:
            break
    return np.concatenate(kept, axis=1)


def last(blocks: Iterable[Block], frames: int) -> Block:
    """The last ``frames`` of what the blocks ``[C, T]`` hold together, or all there are."""
    kept: deque[Block] = deque()
    total = 0
    for block in blocks:
        kept.append(block)
        total += block.shape[1]
        while total - kept[0].shape[1] >= frames:
            total -= kept.popleft().shape[1]
    return np.concatenate(kept, axis=1)[:, -frames:]


def _blocks(blobs: Blobs, entry: Input, sample_rate: int, report: Callable[[], None]) -> Generator[Block, None, None]:
    channels = entry.audio.channels
    conversion = Conversion(entry.audio.sample_rate, channels, sample_rate, channels)
    with closing(decoded(blobs, entry.source, entry.longest_seconds)) as blocks:
        for block in blocks:
            report()
            yield conversion.add(block)
    yield conversion.finish()
