"""Sounds made once, and laid into blocks as often as they are played."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.engines.synth.score import TimedNote

Sound = NDArray[np.float32]
"""A rendered note or hit, ``[1, T]`` or ``[2, T]``."""
Voice = Callable[[str, int, int], Sound]
"""An instrument: (sound, pitch, frames held) to the sound at full velocity."""

BLOCK_FRAMES = 65536
CACHE_BYTES = 24 * 2**20
"""Room for the sounds of four slow bars of pads; beyond it the longest unused are forgotten and made again."""


class SoundCache:
    """A voice that remembers. Bounded in bytes; the least recently used sound goes first."""

    def __init__(self, voice: Voice, limit_bytes: int = CACHE_BYTES) -> None:
        self._voice = voice
        self._limit_bytes = limit_bytes
        self._bytes = 0
        self._sounds: OrderedDict[tuple[str, int, int], Sound] = OrderedDict()

    def __call__(self, sound: str, pitch: int, frames: int) -> Sound:
        key = (sound, pitch, frames)
        if key in self._sounds:
            self._sounds.move_to_end(key)
            return self._sounds[key]
        made = self._sounds[key] = self._voice(sound, pitch, frames)
        self._bytes += made.nbytes
        while self._bytes > self._limit_bytes and len(self._sounds) > 1:
            self._bytes -= self._sounds.popitem(last=False)[1].nbytes
        return made


@dataclass(frozen=True, slots=True)
class Hit:
    """A sound in its place, with the gains of the channels ``[2, 1]``."""

    start: int
    sound: Sound
    gains: NDArray[np.float32]

    def lay_into(self, block: NDArray[np.float32], block_start: int) -> None:
        """Add the part that falls into a block ``[2, T]``."""
        first = max(self.start, block_start)
        last = min(self.start + self.sound.shape[1], block_start + block.shape[1])
        if first < last:
            part = self.sound[:, first - self.start : last - self.start]
            block[:, first - block_start : last - block_start] += part * self.gains

    def ends_after(self, frame: int) -> bool:
        return self.start + int(self.sound.shape[1]) > frame


def pan_gains(pan: float, level: float) -> NDArray[np.float32]:
    """The gains ``[2, 1]`` of equal power, 1 and 1 in the middle."""
    angle = (pan + 1) * math.pi / 4
    return np.array([[math.cos(angle)], [math.sin(angle)]], np.float32) * np.float32(level * math.sqrt(2))


def mix(
    bars: Iterable[tuple[int, list[TimedNote]]], voice: Voice, total_frames: int, block_frames: int = BLOCK_FRAMES
) -> Iterator[NDArray[np.float32]]:
    """Yield the stem in blocks ``[2, T]``. The samples do not depend on where the blocks end.

    ``bars`` come in order, each with its first frame, before which none of its notes begins. Only the sounds that
    still ring are held from one block to the next.
    """
    waiting = iter(bars)
    upcoming = next(waiting, None)
    ringing: list[Hit] = []
    for start in range(0, total_frames, block_frames):
        stop = min(start + block_frames, total_frames)
        while upcoming is not None and upcoming[0] < stop:
            ringing += (_hit(note, voice) for note in upcoming[1])
            upcoming = next(waiting, None)
        block = np.zeros((2, stop - start), np.float32)
        for hit in ringing:
            hit.lay_into(block, start)
        ringing = [hit for hit in ringing if hit.ends_after(stop)]
        yield block


def _hit(note: TimedNote, voice: Voice) -> Hit:
    return Hit(note.start, voice(note.sound, note.pitch, note.frames), pan_gains(note.pan, note.velocity))
