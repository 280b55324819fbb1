"""The parts of a piece, each with its name."""

from __future__ import annotations

from itertools import pairwise
from string import ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from core.analysis.harmony.chroma import Chroma
from core.analysis.result import Section
from core.analysis.sections.bars import Bars, bars_of
from core.analysis.sections.novelty import DIFFERENT, boundaries, distances
from core.analysis.sections.repeats import Repeats
from core.analysis.spectrum import Spectrum

_SAME_SHARE = 0.6


def find_sections(
    chroma: Chroma, spectrum: Spectrum, downbeats: NDArray[np.float64], duration_seconds: float
) -> tuple[Section, ...]:
    """The parts from 0 to the end, without a gap; no two neighbours have the same label.

    ``downbeats`` are ascending times in seconds; where there are fewer than two, stretches of 2 s stand for bars. The
    confidence of a part tells how much changes where it begins and ends; it is 0 if nothing ever does.
    """
    bars = bars_of(chroma, spectrum, downbeats, duration_seconds)
    repeats = Repeats(bars)
    cuts = boundaries(bars, repeats.boundaries())
    labels = _labels(bars, repeats, [slice(*part) for part in pairwise([*cuts, len(bars)])])
    first = [index for index in range(len(labels)) if index == 0 or labels[index] != labels[index - 1]]
    parts = [slice(*part) for part in pairwise([*(cuts[index] for index in first), len(bars)])]
    changes = distances(bars, parts[:-1], parts[1:]) if len(parts) > 1 else np.zeros(0)
    names = _names([labels[index] for index in first])
    return tuple(
        Section(
            start_seconds=round(float(bars.edges[part.start]), 4),
            end_seconds=round(float(bars.edges[part.stop]), 4),
            label=name,
            confidence=_confidence(changes[max(index - 1, 0) : index + 1]),
        )
        for index, (part, name) in enumerate(zip(parts, names, strict=True))
    )


def _labels(bars: Bars, repeats: Repeats, parts: list[slice]) -> list[int]:
    """For each part the first one that it is like, itself if it is like none before.

    Parts are taken in order, each to the likest of those before (Hartigan 1975, *Clustering Algorithms*, ch. 3).
    """
    labels: list[int] = []
    for index, part in enumerate(parts):
        leaders = sorted(set(labels))
        apart = [_difference(bars, repeats, parts[leader], part) for leader in leaders]
        nearest = int(np.argmin(apart)) if apart else -1
        labels.append(leaders[nearest] if apart and apart[nearest] <= DIFFERENT else index)
    return labels


def _difference(bars: Bars, repeats: Repeats, one: slice, other: slice) -> float:
    """How far two parts lie apart: what repeats in them decides, and where one is heard but once, their means."""
    share = repeats.share(one, other)
    if share is None:
        return float(distances(bars, [one], [other])[0])
    return (1 - share) / (1 - _SAME_SHARE)


def _names(labels: list[int]) -> list[str]:
    """A to Z in the order of first hearing, then AA, AB …"""
    order = {label: index for index, label in enumerate(dict.fromkeys(labels))}
    return [_letters(order[label]) for label in labels]


def _letters(index: int) -> str:
    letters = ascii_uppercase[index % 26]
    while index := index // 26:
        index -= 1
        letters = ascii_uppercase[index % 26] + letters
    return letters


def _confidence(changes: NDArray[np.float64]) -> float:
    return round(float(1 - np.exp(-changes.min())), 3) if changes.size else 0.0
