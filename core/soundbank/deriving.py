"""A note made of another one of its family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.audio.pitch import transposed
from core.audio.waveform import fade_curve, peak, scale
from core.soundbank.sample import LONGEST_SHIFT_SEMITONES

if TYPE_CHECKING:
    from core.ports import Block

FADE_SECONDS = 0.03
"""How long the end takes to fade, or a quarter of what there is."""


def shift(samples: Block, sample_rate: int, semitones: float, frames: int) -> Block:
    """A recording ``[C, T]`` at another pitch, ``[C, frames]``, as a tape at another speed plays it.

    It begins where the recording does, and fades out where the recording or ``frames`` ends, whichever is first; then
    comes silence. It becomes quieter only if it would pass full scale.

    Raises:
        ValueError: farther than ``LONGEST_SHIFT_SEMITONES``.
    """
    if not abs(semitones) <= LONGEST_SHIFT_SEMITONES:
        raise ValueError(f"a sound can be shifted by {LONGEST_SHIFT_SEMITONES} semitones at most, not by {semitones:g}")
    moved = transposed(samples, 100 * semitones)[:, :frames]
    moved = scale(moved, 1 / max(peak(moved), 1.0))
    fade = fade_curve(min(round(FADE_SECONDS * sample_rate), moved.shape[1] // 4))
    moved[:, moved.shape[1] - fade.size :] *= fade[::-1]
    return np.pad(moved, ((0, 0), (0, frames - moved.shape[1])))
