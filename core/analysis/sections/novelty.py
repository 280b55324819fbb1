"""Where what follows differs most from what went before.

This is Foote's novelty (2000, *Automatic audio segmentation using a measure of audio novelty*): with the inner product
as similarity, a checkerboard kernel along the diagonal of the self-similarity matrix measures the distance between the
means of the bars after and before, so that no matrix is needed. The boundaries are found from the clearest to the
faintest, each within what the clearer ones have left (binary segmentation: Scott and Knott 1974, *A cluster analysis
method for grouping means in the analysis of variance*).

Which notes sound counts, not their order. The stretches that are compared therefore hold whole rounds of the chords:
of others the means would differ by where they cut the round.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.analysis.sections.bars import SHORTEST_BARS, Bars, Floats, angle_distances

DIFFERENT = 1.0
"""The distance between parts that are not alike."""

_NOTES_SCALE = 0.1
_USUAL_SHARE = 25  # percentile: what bars differ by when no part begins

_CONTEXT_BARS = 8
_LONGEST_ROUND = 12
_COMES_ROUND = 0.6
_AS_WELL = 0.05

_REFINEMENT_BARS = 3
_REPETITION_WEIGHT = 8.0


class Round(NamedTuple):
    """How many bars the chords take, and whether they come round at all."""

    bars: int
    comes_round: bool


def distances(bars: Bars, ones: Sequence[slice], others: Sequence[slice]) -> Floats:
    """How far the means of stretches lie apart, pair by pair ``[N]``."""

    def means(features: Floats) -> tuple[Floats, Floats]:
        one, other = (np.array([features[part].mean(axis=0) for part in parts]) for parts in (ones, others))
        return one, other

    return _distances(means(bars.notes), means(bars.sound))


def boundaries(bars: Bars, known: Sequence[int]) -> list[int]:
    """The first bars of parts, 0 before all: those that are ``known``, and those that divide the parts between them."""
    form = _round_of(bars)
    least = _least(_novelty(bars, form, 0, len(bars)))
    cuts = [0, *known]
    pending = list(pairwise([*cuts, len(bars)]))
    while pending:
        start, end = pending.pop()
        novelty = _novelty(bars, form, start, end)
        if novelty.size and novelty.max() > least:
            cut = start + SHORTEST_BARS + _clearest(novelty, _repetition(bars, form, start, end))
            cuts.append(cut)
            pending += [(start, cut), (cut, end)]
    return sorted(cuts)


def _least(novelty: Floats) -> float:
    """The novelty that a boundary has: more than is usual, though where parts are short it is all near boundaries."""
    usual = float(np.percentile(novelty, _USUAL_SHARE)) if novelty.size else 0.0
    return DIFFERENT + min(usual, DIFFERENT)


def _round_of(bars: Bars) -> Round:
    """After how many bars the chords come round again, of 4 to 12; the least of those that do nearly as well."""
    lags = range(SHORTEST_BARS, min(_LONGEST_ROUND, len(bars) - 1) + 1)
    alike = {lag: float(1 - angle_distances(bars.notes[:-lag], bars.notes[lag:]).mean()) for lag in lags}
    best = max(alike.values(), default=0.0)
    if best < _COMES_ROUND:
        return Round(_CONTEXT_BARS, False)
    return Round(next(lag for lag, value in alike.items() if value > best - _AS_WELL), True)


def _novelty(bars: Bars, form: Round, start: int, end: int) -> Floats:
    """How much changes at each bar from ``start + 4`` to ``end - 4``, of what lies between ``start`` and ``end``.

    As many whole rounds as eight bars need are compared before and after. Where there is room for none, only the sound
    is: the notes would differ by the chords that the stretches lack.
    """
    places = np.arange(SHORTEST_BARS, end - start - SHORTEST_BARS + 1)
    room = np.minimum(np.minimum(places, end - start - places), form.bars * -(-_CONTEXT_BARS // form.bars))
    rounds = room // form.bars * form.bars
    reach = np.where(rounds > 0, rounds, room)
    notes = _before_and_after(bars.notes[start:end], places, reach)
    sound = _before_and_after(bars.sound[start:end], places, reach)
    return _distances(notes, sound, rounds > 0)


def _before_and_after(features: Floats, places: NDArray[np.int64], reach: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The means over ``reach`` bars before each place, and from it on."""
    sums = np.concatenate((np.zeros((1, features.shape[1])), np.cumsum(features, axis=0)))
    lengths = reach[:, np.newaxis]
    return (sums[places] - sums[places - reach]) / lengths, (sums[places + reach] - sums[places]) / lengths


def _distances(
    notes: tuple[Floats, Floats], sound: tuple[Floats, Floats], by_notes: NDArray[np.bool_] | bool = True
) -> Floats:
    harmony = angle_distances(*notes) / _NOTES_SCALE * by_notes
    return np.asarray(np.hypot(harmony, np.linalg.norm(sound[0] - sound[1], axis=1)))


def _clearest(novelty: Floats, repetition: Floats) -> int:
    """The largest novelty, or one nearby that divides the rounds of chords better."""
    peak = int(novelty.argmax())
    first = max(peak - _REFINEMENT_BARS, 0)
    near = slice(first, peak + _REFINEMENT_BARS + 1)
    return first + int((novelty[near] / novelty[peak] + _REPETITION_WEIGHT * repetition[near]).argmax())


def _repetition(bars: Bars, form: Round, start: int, end: int) -> Floats:
    """For the places of ``_novelty``: how well the bars just before repeat the round before, and those after go on.

    The mean cosine between the chroma of four bars and that of those a round earlier, or later. Where a part begins
    with the chord that the one before ended with, it alone tells where it begins.
    """
    places = np.arange(SHORTEST_BARS, end - start - SHORTEST_BARS + 1)
    if not form.comes_round or end - start <= form.bars:
        return np.zeros(len(places))
    notes = bars.notes[start:end]
    alike = 1 - angle_distances(notes[: -form.bars], notes[form.bars :])
    sums = np.concatenate(([0.0], np.cumsum(alike)))
    total, count = np.zeros(len(places)), np.zeros(len(places))
    for first in (places - form.bars - SHORTEST_BARS, places):
        low, high = np.clip(first, 0, len(alike)), np.clip(first + SHORTEST_BARS, 0, len(alike))
        total += sums[high] - sums[low]
        count += high - low
    return np.asarray(total / np.maximum(count, 1))
