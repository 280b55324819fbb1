"""The form of a piece: where one part gives way to another, and which parts are alike.

The music is looked at bar by bar: which notes sound, what the sound is like, how loud it is. A part begins where what
follows differs most from what went before. This is Foote's novelty (2000, *Automatic audio segmentation using a
measure of audio novelty*): with the inner product as similarity, a checkerboard kernel along the diagonal of the
self-similarity matrix measures the distance between the means of the bars after and before, so that no matrix is
needed. The boundaries are found from the clearest to the faintest, each within what the clearer ones have left
(binary segmentation: Scott and Knott 1974, *A cluster analysis method for grouping means in the analysis of
variance*). Parts are then taken in order, each to the label whose parts it resembles, or to a new one (Hartigan 1975,
*Clustering Algorithms*, ch. 3).

Which notes sound counts, not their order: four chords in another order are the same part.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma
from core.analysis.result import Section
from core.analysis.spectrum import SILENCE_DBFS, Spectrum

Floats = NDArray[np.float64]

SHORTEST_BARS = 4
_CONTEXT_BARS = 8
"""Two rounds of the usual four chords: shorter stretches that are alike differ by where they cut the round."""

_LONGEST_ROUND = 12
_COMES_ROUND = 0.6
_PARTIAL_WEIGHT = 0.5
_REFINEMENT_BARS = 3
_REPETITION_WEIGHT = 8.0

_BAR_SECONDS = 2.0  # where no bars were found
_LONGEST_BAR = 1.75  # of the usual ones; a gap between downbeats that is longer holds several

_HARMONY_SCALE = 0.1
_TIMBRE_SCALE_DB = 4.0
_LEVEL_SCALE_DB = 8.0
_MEL_BANDS = 40
"""Takes of one part differ by half of these scales at most, other parts by more than one; see the tests."""

_DIFFERENT = 1.0
_USUAL_SHARE = 25  # percentile: what bars differ by when no part begins


@dataclass(frozen=True)
class _Bars:
    """The mean features of the bars.

    Attributes:
        edges: seconds ``[N + 1]``.
        features: ``[N, D]``, each in a scale of its own.
        harmony: how many columns of the features, the first ones, are chroma; they are compared by their angle.
    """

    edges: Floats
    features: Floats
    harmony: int

    def __len__(self) -> int:
        return len(self.features)

    def distances(self, ones: Floats, others: Floats) -> Floats:
        """How far mean features ``[N, D]`` lie apart, row by row ``[N]``: 1 for another part."""
        harmony = _angle_distance(ones[:, : self.harmony], others[:, : self.harmony]) / _HARMONY_SCALE
        sound = np.linalg.norm(ones[:, self.harmony :] - others[:, self.harmony :], axis=1)
        return np.asarray(np.hypot(harmony, sound))


class _Round(NamedTuple):
    """How many bars the chords take, and whether they come round at all."""

    bars: int
    comes_round: bool


def find_sections(
    chroma: Chroma, spectrum: Spectrum, downbeats: NDArray[np.float64], duration_seconds: float
) -> tuple[Section, ...]:
    """The parts from 0 to the end, without a gap.

    ``downbeats`` are ascending times in seconds; where there are fewer than two, stretches of 2 s stand for bars. The
    confidence of a part tells how much changes where it begins and ends; it is 0 if nothing ever does.
    """
    bars = _bars(chroma, spectrum, downbeats, duration_seconds)
    cuts = _boundaries(bars)
    labels = _labels(bars, cuts)
    starts = [0, *(index for index in range(1, len(labels)) if labels[index] != labels[index - 1])]
    places = [*(cuts[index] for index in starts), len(bars)]
    strengths = [_novelty_at(bars, *places[index - 1 : index + 2]) for index in range(1, len(places) - 1)]
    names = _names([labels[index] for index in starts])
    return tuple(
        Section(
            start_seconds=round(float(bars.edges[places[index]]), 4),
            end_seconds=round(float(bars.edges[places[index + 1]]), 4),
            label=name,
            confidence=_confidence(strengths[max(index - 1, 0) : index + 1]),
        )
        for index, name in enumerate(names)
    )


# Bars


def _bars(chroma: Chroma, spectrum: Spectrum, downbeats: NDArray[np.float64], duration_seconds: float) -> _Bars:
    edges = _edges(downbeats, duration_seconds)
    treble, bass = chroma.semitones()
    notes = _means(edges, chroma.times, np.concatenate((treble, bass), axis=1))
    timbre = _means(edges, spectrum.times, spectrum.timbre) / (_MEL_BANDS**0.5 * _TIMBRE_SCALE_DB)
    level = _means(edges, spectrum.times, np.maximum(spectrum.level_dbfs, SILENCE_DBFS)[:, np.newaxis])
    return _Bars(edges, np.concatenate((notes, timbre, level / _LEVEL_SCALE_DB), axis=1), notes.shape[1])


def _edges(downbeats: NDArray[np.float64], duration_seconds: float) -> Floats:
    """Where bars begin, from 0 to the end; what lies before the first, after the last and in gaps is divided evenly."""
    inside = downbeats[(downbeats > 0) & (downbeats < duration_seconds)]
    usual = float(np.median(np.diff(downbeats))) if len(downbeats) > 1 else _BAR_SECONDS
    known = np.concatenate(([0.0], inside, [duration_seconds]))
    edges = [0.0]
    for start, end in pairwise(known):
        pieces = max(1, round((end - start) / usual)) if end - start > _LONGEST_BAR * usual else 1
        edges.extend(np.linspace(start, end, pieces + 1)[1:])
    if len(edges) > 2 and edges[1] < usual / 2:
        del edges[1]  # an upbeat
    if len(edges) > 2 and edges[-1] - edges[-2] < usual / 2:
        del edges[-2]
    return np.array(edges)


def _means(edges: Floats, times: Floats, values: NDArray[np.float32]) -> Floats:
    """The mean of the rows of ``values`` whose times fall into each bar ``[N, D]``; the nearest row where none does."""
    if not len(values):
        return np.zeros((len(edges) - 1, values.shape[1]))
    firsts = np.minimum(np.searchsorted(times, edges), len(values) - 1)
    counts = np.maximum(np.diff(firsts), 1)
    sums = np.concatenate((np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)))
    return np.asarray((sums[firsts[:-1] + counts] - sums[firsts[:-1]]) / counts[:, np.newaxis])


# Boundaries


def _boundaries(bars: _Bars) -> list[int]:
    """The first bar of each part, 0 before all."""
    form = _round_bars(bars)
    usual = _novelty(bars, form, 0, len(bars))
    least = _DIFFERENT + (float(np.percentile(usual, _USUAL_SHARE)) if usual.size else 0.0)
    pending, cuts = [(0, len(bars))], [0]
    while pending:
        start, end = pending.pop()
        novelty = _novelty(bars, form, start, end)
        if novelty.size and novelty.max() > least:
            cut = start + SHORTEST_BARS + _clearest(novelty, _repetition(bars, form, start, end))
            cuts.append(cut)
            pending += [(start, cut), (cut, end)]
    return sorted(cuts)


def _round_bars(bars: _Bars) -> _Round:
    """After how many bars the chords come round again, of 4 to 12; the least of those that do nearly as well."""
    notes = bars.features[:, : bars.harmony]
    lags = range(SHORTEST_BARS, min(_LONGEST_ROUND, len(bars) - 1) + 1)
    alike = {lag: float(1 - _angle_distance(notes[:-lag], notes[lag:]).mean()) for lag in lags}
    best = max(alike.values(), default=0.0)
    if best < _COMES_ROUND:
        return _Round(_CONTEXT_BARS, False)
    return _Round(next(lag for lag, value in alike.items() if value > best - 0.05), True)


def _novelty(bars: _Bars, form: _Round, start: int, end: int) -> Floats:
    """How much changes at each bar from ``start + 4`` to ``end - 4``, of what lies between ``start`` and ``end``.

    Eight bars before and after are compared, or four where there are fewer.
    """
    places = np.arange(start + SHORTEST_BARS, end - SHORTEST_BARS + 1)
    sums = np.concatenate((np.zeros((1, bars.features.shape[1])), np.cumsum(bars.features[start:end], axis=0)))
    room = np.minimum(places - start, end - places)
    most = form.bars * -(-_CONTEXT_BARS // form.bars)
    rounds = np.minimum(room, most) // form.bars * form.bars
    reach = np.where(rounds > 0, rounds, np.minimum(room, most))
    middle = sums[places - start]
    before = (middle - sums[places - start - reach]) / reach[:, np.newaxis]
    after = (sums[places - start + reach] - middle) / reach[:, np.newaxis]
    return np.asarray(bars.distances(before, after) * np.where(rounds > 0, 1.0, _PARTIAL_WEIGHT))


def _clearest(novelty: Floats, repetition: Floats) -> int:
    """The largest novelty, or one nearby that divides the rounds of chords better."""
    peak = int(novelty.argmax())
    first = max(peak - _REFINEMENT_BARS, 0)
    near = slice(first, peak + _REFINEMENT_BARS + 1)
    return first + int((novelty[near] / novelty[peak] + _REPETITION_WEIGHT * repetition[near]).argmax())


def _repetition(bars: _Bars, form: _Round, start: int, end: int) -> Floats:
    """For the places of ``_novelty``: how well the bars just before repeat the round before, and those after go on.

    The mean cosine between the chroma of four bars and that of those a round earlier, or later. Where a part begins
    with the chord that the one before ended with, it alone tells where it begins.
    """
    places = np.arange(SHORTEST_BARS, end - start - SHORTEST_BARS + 1)
    if not form.comes_round or end - start <= form.bars:
        return np.zeros(len(places))
    notes = bars.features[start:end, : bars.harmony]
    alike = 1 - _angle_distance(notes[: -form.bars], notes[form.bars :])
    sums = np.concatenate(([0.0], np.cumsum(alike)))
    total, count = np.zeros(len(places)), np.zeros(len(places))
    for first in (places - form.bars - SHORTEST_BARS, places):
        low, high = np.clip(first, 0, len(alike)), np.clip(first + SHORTEST_BARS, 0, len(alike))
        total += sums[high] - sums[low]
        count += high - low
    return np.asarray(total / np.maximum(count, 1))


def _novelty_at(bars: _Bars, start: int, cut: int, end: int) -> float:
    """How far two neighbouring parts lie apart."""
    before, after = (bars.features[part].mean(axis=0, keepdims=True) for part in (slice(start, cut), slice(cut, end)))
    return float(bars.distances(before, after)[0])


def _angle_distance(ones: Floats, others: Floats) -> Floats:
    """One less the cosine of the angle between rows; 0 where either is silent, and nothing can be said."""
    lengths = np.linalg.norm(ones, axis=1) * np.linalg.norm(others, axis=1)
    heard = lengths > 0
    cosines = np.sum(ones * others, axis=1) / np.where(heard, lengths, 1)
    return np.where(heard, np.maximum(1 - cosines, 0), 0)


# Labels


def _labels(bars: _Bars, cuts: list[int]) -> list[int]:
    """For each part the first one that it is like, itself if it is like none before."""
    totals: list[Floats] = []
    lengths: list[int] = []
    labels = []
    for start, end in zip(cuts, [*cuts[1:], len(bars)], strict=True):
        part = bars.features[start:end]
        label = _nearest(bars, part.mean(axis=0), totals, lengths)
        if label == len(totals):
            totals.append(np.zeros(part.shape[1]))
            lengths.append(0)
        totals[label] += part.sum(axis=0)
        lengths[label] += len(part)
        labels.append(label)
    return labels


def _nearest(bars: _Bars, mean: Floats, totals: list[Floats], lengths: list[int]) -> int:
    """The label whose parts are most like this one; the next free one if all are different."""
    if not totals:
        return 0
    means = np.array(totals) / np.array(lengths)[:, np.newaxis]
    distances = bars.distances(np.broadcast_to(mean, means.shape), means)
    nearest = int(distances.argmin())
    return nearest if distances[nearest] <= _DIFFERENT else len(totals)


def _names(labels: list[int]) -> Iterator[str]:
    """A to Z in the order of first hearing, then AA, AB …"""
    order = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    return (_letters(order[label]) for label in labels)


def _letters(index: int) -> str:
    letters = ascii_uppercase[index % 26]
    while index := index // 26:
        index -= 1
        letters = ascii_uppercase[index % 26] + letters
    return letters


def _confidence(strengths: list[float]) -> float:
    return round(float(1 - np.exp(-min(strengths))), 3) if strengths else 0.0
