"""One gain that brings a file to a loudness."""

from __future__ import annotations

import math

from core.audio.loudness import Loudness

CEILING_DBTP = -1.0
"""The highest true peak, as EBU R 128 has it: what a lossy codec adds to it stays below full scale."""


def gain_db_for_loudness(measured: Loudness, target_lufs: float) -> float:
    """The gain that brings what was measured to ``target_lufs``, or less if its true peak would pass the ceiling.

    0 for what the meter takes for silence, which no gain should raise.
    """
    if measured.integrated_lufs is None or measured.true_peak_dbtp is None:
        return 0.0
    return min(target_lufs - measured.integrated_lufs, CEILING_DBTP - measured.true_peak_dbtp)


def rounded(level_db: float | None) -> float | None:
    """A level to the hundredth, as clients see it; ``None`` for one that could not be told, and for silence."""
    return None if level_db is None or math.isinf(level_db) else round(level_db, 2)
