"""Where A4 is.

Every note's distance from the nearest one of A4 = 440 Hz is an angle, of which a semitone is the full turn; the mean of
all, weighted by how strongly they sound, points to the tuning (Dressler and Streich 2007, *Tuning frequency estimation
using circular statistics*, ISMIR). Its length says how much they agree.
"""

from __future__ import annotations

import cmath
import math

from core.analysis.harmony.chroma import SILENT_ENERGY, Chroma
from core.analysis.result import Tuning


def estimate_tuning(chroma: Chroma) -> Tuning:
    """The tuning of all frames together; 440 Hz with confidence 0 where nothing sounds."""
    sounding = chroma.energy > SILENT_ENERGY
    mean = complex(chroma.tuning[sounding].mean()) if sounding.any() else 0j
    if not abs(mean) > 0:
        return Tuning(reference_hz=440.0, offset_cents=0.0, confidence=0.0)
    cents = math.degrees(cmath.phase(mean)) / 3.6
    return Tuning(reference_hz=440.0 * 2 ** (cents / 1200), offset_cents=cents, confidence=min(abs(mean), 1.0))
