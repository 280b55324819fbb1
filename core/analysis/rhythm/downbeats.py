"""Where the bars begin.

Listeners hear a bar begin where the bass enters, where the harmony changes, and where the backbeat is not (Davies &
Plumbley, "A spectral difference approach to downbeat extraction in musical audio", EUSIPCO 2006; Papadopoulos &
Peeters, "Joint estimation of chords and downbeats from an audio signal", 2011). Each beat is rated by these, and bars
of three and of four beats are laid over them in the best way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]
Positions = NDArray[np.intp]

METRES = (4, 3)
"""Beats of a bar."""
NO_BARS = 0

_LEAST_BEATS = 8
_LEAST_EVIDENCE = 2.5
"""Standard errors by which the ratings of the downbeats must be above the mean of all beats."""
_LEAST_LEAD = 0.5
"""Standard errors by which they must be above any other beat of the bars: a backbeat alone leaves 1 and 3 alike."""
_ODD_METRE = 1.1
"""How much better the evidence of three beats must be than of four, which most music has."""
_BREAK = 8.0
"""Standard deviations of the ratings that a bar cut short or drawn out must gain."""
_HARMONY_WEIGHT = 3.0
"""Relative to a register's accents: chords change with the bar more often than basses are silent within it."""


def find_bars(accents: Curve, harmony: Curve | None = None) -> tuple[Positions, int | None]:
    """The position of each beat in its bar, from 1, and how many beats a bar has; all 0 and None without evidence.

    Args:
        accents: ``[beats, 3]``, the strength of each register at the beats.
        harmony: ``[beats]``, how much the harmony changes at each.
    """
    none = np.full(len(accents), NO_BARS, np.intp)
    if len(accents) < _LEAST_BEATS:
        return none, None
    cues = [_standard(accents[:, 0]), -_standard(accents[:, -1])]
    if harmony is not None:
        cues.append(_HARMONY_WEIGHT * _standard(harmony))
    ratings = {metre: _rated(cues, metre) for metre in METRES}
    laid = {metre: _laid(ratings[metre], metre) for metre in METRES}
    evidence = {metre: _evidence(ratings[metre], positions) for metre, positions in laid.items()}
    metre = 3 if evidence[3] > _ODD_METRE * evidence[4] else 4
    others = max(_evidence(ratings[metre], (laid[metre] - beat) % metre) for beat in range(1, metre))
    is_clear = evidence[metre] >= max(_LEAST_EVIDENCE, others + _LEAST_LEAD)
    return (laid[metre] + 1, metre) if is_clear else (none, None)


def _rated(cues: Sequence[Curve], metre: int) -> Curve:
    """How much each beat seems to begin a bar, from cues ``[beats]``: one counts as much as it repeats in each bar."""
    return _standard(sum((repeated(cue, metre) * cue for cue in cues), np.zeros_like(cues[0])))


def repeated(cue: Curve, metre: int) -> float:
    """The share of the variance of a cue ``[beats]`` that positions in bars of so many beats explain, 0 to 1."""
    bars = _standard(cue)[: len(cue) // metre * metre].reshape(-1, metre)
    return float(np.mean(bars.mean(axis=0) ** 2)) if bars.size else 0.0


def _standard(values: Curve) -> Curve:
    """Less their mean, in standard deviations."""
    spread = float(values.std())
    standard: Curve = (values - values.mean()) / spread if spread > 1e-9 else np.zeros_like(values)
    return standard


def _laid(ratings: Curve, metre: int) -> Positions:
    """The positions from 0 in bars of so many beats that put most of the ratings on downbeats (Viterbi)."""
    best = np.zeros(metre)
    came_from = np.zeros((len(ratings), metre), np.intp)
    in_turn = np.roll(np.arange(metre), 1)
    for beat, rating in enumerate(ratings):
        leap = int(best.argmax())
        leaps = best[in_turn] < best[leap] - _BREAK
        came_from[beat] = np.where(leaps, leap, in_turn)
        best = best[came_from[beat]] - _BREAK * leaps
        best[0] += rating
    positions = np.empty(len(ratings), np.intp)
    position = int(best.argmax())
    for beat in range(len(ratings) - 1, -1, -1):
        positions[beat] = position
        position = came_from[beat, position]
    return positions


def _evidence(ratings: Curve, positions: Positions) -> float:
    """How many standard errors the downbeats' mean rating is above that of all beats."""
    downbeats = ratings[positions == 0]
    return float(downbeats.sum() / np.sqrt(max(len(downbeats), 1)))
