"""When the harmony changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from core.analysis.harmony.chroma import Chroma

Curve = NDArray[np.float64]

_BEATS = 2
"""Before and after a beat, whose harmonies are compared."""
_SECONDS = 0.45
"""Before and after a time: about a beat."""


def harmonic_changes(chroma: Chroma, beats: Curve) -> Curve:
    """How different the harmonies after and before each beat (seconds) are, from 0 to 1.

    The bass is left out: it walks within a chord.
    """
    margin = np.arange(1, _BEATS + 1) * float(np.median(np.diff(beats)))
    edges = np.concatenate([beats[0] - margin[::-1], beats, beats[-1] + margin])
    frames = np.round(edges * chroma.frame_rate).astype(int) - chroma.first_frame
    frames = np.clip(frames, 0, len(chroma))
    total = _running(chroma)
    here = np.arange(len(beats)) + _BEATS
    return _apart(
        total[frames[here]] - total[frames[here - _BEATS]], total[frames[here + _BEATS]] - total[frames[here]]
    )


class HarmonicNovelty:
    """How much the harmony changes at any time, however long beats are."""

    def __init__(self, chroma: Chroma) -> None:
        """Compare what sounds after with what sounds before, between all frames."""
        total, reach = _running(chroma), max(1, round(_SECONDS * chroma.frame_rate))
        here = np.arange(len(chroma) + 1)
        before = total[here] - total[np.maximum(here - reach, 0)]
        after = total[np.minimum(here + reach, len(chroma))] - total[here]
        self._changes = _apart(before, after)
        self._times = (chroma.first_frame + here - 0.5) / chroma.frame_rate

    def share_at(self, times: Curve) -> float:
        """The mean at times in seconds, relative to that of the whole; 0 where nothing ever changes."""
        mean = float(self._changes.mean())
        return float(np.interp(times, self._times, self._changes).mean()) / mean if mean > 0 else 0.0


def _running(chroma: Chroma) -> Curve:
    notes = chroma.treble
    return np.concatenate([np.zeros((1, notes.shape[1])), np.cumsum(notes, axis=0, dtype=np.float64)])


def _apart(before: Curve, after: Curve) -> Curve:
    """One less the cosine of the angle between rows; 0 where either is silent."""
    lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    alike = np.einsum("ij,ij->i", before, after) / np.maximum(lengths, 1e-12)
    apart: Curve = np.where(lengths > 0, 1 - alike, 0)
    return apart
