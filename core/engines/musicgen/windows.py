"""Stems that are longer than what a model was trained on: windows that go on from each other, and meet on a beat.

A window's first frames are codes of the one before it. It begins to make its own just before a join, and the one before
it ends just after: between the two, both takes have the same past, and one is faded into the other. The join is on the
last beat that leaves out the end of a window, where quality falls.

A frame is one of the codec's here; what it decodes to is counted in samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.ports import Block

PROMPT_SHARE = 0.4
"""How much of a window is codes of the one before it: audiocraft's 12 of 30 seconds."""

MARGIN_SHARE = 0.05
"""How much of a window's end is not used."""

FADE_SECONDS = 0.1
TAIL_SECONDS = 0.1  # made beyond a fade, for a codec looks ahead: EnCodec by four frames of 20 ms


@dataclass(frozen=True)
class Window:
    """Frames that are made as one sequence, counted from the stem's first; those before it belong to its prompt.

    Attributes:
        start: its first frame.
        first: the first that it makes itself.
        end: the frame after its last.
        join_seconds: the middle of the fade to the next window; ``None`` in the last one.
    """

    start: int
    first: int
    end: int
    join_seconds: float | None


def plan_windows(
    duration_seconds: float, window_seconds: float, tempo_bpm: float | None, frame_rate: int, prompt_frames: int = 0
) -> list[Window]:
    """The windows of a stem, in order.

    Args:
        window_seconds: the longest sequence, its prompt included.
        tempo_bpm: beats are counted from the stem's start; ``None`` joins at the latest place there is.
        prompt_frames: what the stem goes on from; it must leave room in a window.

    Raises:
        ValueError: a window is too short to hold a prompt, a fade and a margin.
    """
    total = math.ceil(round(duration_seconds * frame_rate, 6))
    length = int(window_seconds * frame_rate)
    start, first = -prompt_frames, 0
    windows = []
    while start + length < total:
        join = _join_seconds(first / frame_rate, (start + length) / frame_rate, window_seconds, tempo_bpm)
        end = math.ceil((join + FADE_SECONDS / 2 + TAIL_SECONDS) * frame_rate)
        windows.append(Window(start, first, min(end, start + length), join))
        first = math.floor((join - FADE_SECONDS / 2) * frame_rate)
        start = max(first - int(PROMPT_SHARE * length), -prompt_frames)
    return [*windows, Window(start, first, total, None)]


def _join_seconds(first: float, end: float, window_seconds: float, tempo_bpm: float | None) -> float:
    """The last beat of a window with enough before it and after it; the latest place if there is none."""
    latest = end - max(MARGIN_SHARE * window_seconds, FADE_SECONDS / 2 + TAIL_SECONDS)
    earliest = first + FADE_SECONDS
    if latest < earliest:
        raise ValueError(f"a window of {window_seconds} s is too short to go on from it")
    beat = math.floor(latest * tempo_bpm / 60) * 60 / tempo_bpm if tempo_bpm else latest
    return beat if beat >= earliest else latest


class Assembly:
    """A stem of an exact length, put together from the samples of its takes as they are decoded.

    Attributes:
        position: the sample that comes next; negative within what the stem goes on from.
    """

    def __init__(self, total_samples: int, sample_rate: int, position: int = 0) -> None:
        self.position = position
        self._total, self._sample_rate = total_samples, sample_rate
        self._tail: Block | None = None
        self._fade_start = 0

    def add(self, block: Block) -> Block:
        """The next samples ``[C, T]`` of the present take; returns those of them that belong to the stem."""
        if self._tail is not None:
            block = self._faded(block, self._tail)
        start, self.position = self.position, self.position + block.shape[1]
        return block[:, max(-start, 0) : max(self._total - start, 0)]

    def join(self, tail: Block, join_seconds: float) -> None:
        """Go over to another take, whose next samples stand where ``tail``, the rest of the present one, does.

        The fade around ``join_seconds`` has equal power, for two takes that have little to do with each other.
        """
        self._tail = tail
        self._fade_start = round((join_seconds - FADE_SECONDS / 2) * self._sample_rate)

    def _faded(self, block: Block, tail: Block) -> Block:
        count = min(block.shape[1], tail.shape[1])
        places = np.arange(self.position, self.position + count) - self._fade_start
        share = np.clip((places + 0.5) / (FADE_SECONDS * self._sample_rate), 0, 1)
        rise, fall = (gain.astype(np.float32) for gain in (np.sin(np.pi / 2 * share), np.cos(np.pi / 2 * share)))
        self._tail = tail[:, count:] if count < tail.shape[1] else None
        return np.concatenate([rise * block[:, :count] + fall * tail[:, :count], block[:, count:]], axis=1)
