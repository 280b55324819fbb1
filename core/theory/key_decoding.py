"""The likeliest sequence of keys: a hidden Markov model over all twenty-four, decoded after Viterbi (1967).

A key is known here by its place in ``KEYS`` alone; what chords say of it comes in as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from operator import mul

from core.theory.keys import Mode

_MODES: tuple[Mode, ...] = ("major", "minor")
KEYS = tuple((above, mode) for above in range(12) for mode in _MODES)
"""All keys, as semitones above the first chord's root and mode: what comes first here wins where two are as likely."""
Row = list[float]
"""A number for each of ``KEYS``."""

_KEY_CHANGE = 1 / 24
"""How often a chord is the first in a new key: an estimate of our own. In the counted pop and rock songs it is one in
195, but they mark a key only where it stays for long."""


def decoded(opening: Sequence[Row], going_on: Sequence[Row]) -> tuple[list[int], list[Row]]:
    """The likeliest path that ends in the likeliest last key, and each key's posterior at each step."""
    forward, best = [_scaled(opening[0])], _scaled(opening[0])
    came_from: list[list[int]] = []
    for first, next_ in zip(opening[1:], going_on[1:], strict=True):
        moves = [_into(which, first[which], next_[which]) for which in range(len(KEYS))]
        forward.append(_scaled([_dot(forward[-1], into) for into in moves]))
        arrivals = [list(map(mul, best, into)) for into in moves]
        came_from.append([arrival.index(max(arrival)) for arrival in arrivals])
        best = _scaled([max(arrival) for arrival in arrivals])
    path = [forward[-1].index(max(forward[-1]))]
    for pointers in reversed(came_from):
        path.append(pointers[path[-1]])
    return path[::-1], _posteriors(forward, opening, going_on)


def _posteriors(forward: Sequence[Row], opening: Sequence[Row], going_on: Sequence[Row]) -> list[Row]:
    backward = [1.0] * len(KEYS)
    rows = [forward[-1]]
    for before, first, next_ in zip(forward[-2::-1], opening[:0:-1], going_on[:0:-1], strict=True):
        arriving, staying = list(map(mul, first, backward)), list(map(mul, next_, backward))
        leaving = [_dot(moves, arriving) for moves in _moves()]  # there and back are as likely: a row serves for both
        backward = _scaled([leave + (1 - _KEY_CHANGE) * stay for leave, stay in zip(leaving, staying, strict=True)])
        rows.append(_scaled(list(map(mul, before, backward))))
    return rows[::-1]


def _into(which: int, first: float, next_: float) -> Row:
    """The chance to be in the key ``which`` next, from each key: one that changes opens it, and itself goes on."""
    row = [move * first for move in _moves()[which]]
    row[which] = (1 - _KEY_CHANGE) * next_
    return row


@cache
def _moves() -> tuple[tuple[float, ...], ...]:
    """The chance to come from each key into each other one, a row for each key one comes into.

    It falls with the steps between their signatures on the circle of fifths, slowly, as songs also rise by a half step,
    which is five such steps: an estimate of our own.
    """
    places = [(above * 7 - (3 if mode == "minor" else 0)) % 12 for above, mode in KEYS]
    steps = [[min((one - other) % 12, (other - one) % 12) for other in places] for one in places]
    near = [[1 / (1 + apart) for apart in row] for row in steps]
    total = sum(near[0]) - 1
    return tuple(
        tuple(0.0 if one == other else _KEY_CHANGE * value / total for other, value in enumerate(row))
        for one, row in enumerate(near)
    )


def _scaled(row: Row) -> Row:
    total = math.fsum(row)
    return [value / total for value in row]


def _dot(row: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(mul, row, other))
