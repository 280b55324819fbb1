"""Which pulse people would tap: the hardest question about a tempo, as several answers keep time.

The onsets of most music are periodic at several tempi: at twice and half the beat, at a bar of three and two thirds of
it, off the beat as well as on it. Each is a hypothesis, whose beats are tracked and then judged, as in Dixon's
BeatRoot ("Automatic extraction of tempo and beat from expressive performances", 2001); the judge is a conditional
logit (McFadden 1974) over what ``pulse_cues`` hears at the beats and between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from core.analysis.rhythm.beats import Curve, Frames, follow
from core.analysis.rhythm.pulse_cues import Pulse, PulseCues
from core.analysis.rhythm.tempo import TempoCurve

if TYPE_CHECKING:
    from core.analysis.harmony.chroma import Chroma

SLOWEST_BPM, FASTEST_BPM = 55.0, 215.0
"""What beats may be, as in the tracker of Böck, Krebs & Widmer (ISMIR 2016)."""
_LEAST_BEATS = 6
"""Of a pulse that can be judged."""


def tapped_pulse(
    salient: Curve, novel: Curve, curves: Sequence[TempoCurve], frame_rate: float, chroma: Chroma | None
) -> Frames:
    """The frames of the beats that people would tap, between 55 and 215 a minute, at one of these tempi.

    ``salient`` are onsets ``[N, 3]``, ``novel`` all together and levelled ``[N]``. The first of the curves is trusted
    where the music is too short to judge.
    """
    judged = list(pulses(novel, curves, frame_rate))
    if not judged:
        return follow(novel, curves[0].periods(len(novel), frame_rate))
    cues = PulseCues(salient, novel, frame_rate, chroma)
    return max(judged, key=cues.rating).frames


def pulses(novel: Curve, curves: Sequence[TempoCurve], frame_rate: float) -> Iterator[Pulse]:
    """At each tempo the beats where the onsets are strongest, and those a quarter, a half and three quarters later."""
    for curve in curves:
        frames = follow(novel, curve.periods(len(novel), frame_rate))
        if len(frames) > _LEAST_BEATS and SLOWEST_BPM <= curve.median_bpm <= FASTEST_BPM:
            for quarter in range(4):
                later = frames[:-1] + quarter / 4 * np.diff(frames)
                yield Pulse(np.round(later).astype(np.intp) if quarter else frames, curve.clarity)
