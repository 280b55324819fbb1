"""The likeliest sequence of keys: a hidden Markov model over all twenty-four, decoded after Viterbi (1967).

A key is known here by its place in ``KEYS`` alone; what chords say of it comes in as numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
_STAY = 1 - _KEY_CHANGE
_NONE: Row = [0.0] * len(KEYS)


def decoded(opening: Sequence[Row], going_on: Sequence[Row]) -> tuple[list[int], list[Row]]:
    """The likeliest path that ends in the likeliest last key, and each key's posterior at each step.

    ``opening`` says how likely each chord is as the first in each key, ``going_on`` as the next one there. A key takes
    two chords at least: no single chord is a change of key.
    """
    if len(opening) == 1:
        alone = _scaled(opening[0])
        return [alone.index(max(alone))], [alone]
    forward = _forward(opening, going_on)
    last = forward[-1].settled
    return _path(opening, going_on, last.index(max(last))), _posteriors(forward, opening, going_on)


@dataclass(frozen=True)
class _Chances:
    """How likely each key is, ``new`` with this chord or ``settled`` for two chords or more."""

    new: Row
    settled: Row

    def scaled(self) -> _Chances:
        total = math.fsum(self.new) + math.fsum(self.settled)
        return _Chances([value / total for value in self.new], [value / total for value in self.settled])


def _forward(opening: Sequence[Row], going_on: Sequence[Row]) -> list[_Chances]:
    """What the chords so far say, after each of them; after the last one no key is new."""
    found = [_Chances(_scaled(opening[0]), _NONE)]
    for first, next_ in zip(opening[1:], going_on[1:], strict=True):
        before = found[-1]
        staying = [new + _STAY * settled for new, settled in zip(before.new, before.settled, strict=True)]
        coming = [_dot(before.settled, into) for into in _moves()]
        found.append(_Chances(_product(first, coming), _product(next_, staying)).scaled())
    return [*found[:-1], _Chances(_NONE, _scaled(found[-1].settled))]


def _posteriors(forward: Sequence[_Chances], opening: Sequence[Row], going_on: Sequence[Row]) -> list[Row]:
    rows = [forward[-1].settled]
    after = _Chances(_NONE, [1.0] * len(KEYS))
    for before, first, next_ in zip(forward[-2::-1], opening[:0:-1], going_on[:0:-1], strict=True):
        staying, coming = _product(next_, after.settled), _product(first, after.new)
        leaving = [_dot(moves, coming) for moves in _moves()]  # there and back are as likely: a row serves for both
        after = _Chances(staying, [_STAY * stay + leave for stay, leave in zip(staying, leaving, strict=True)]).scaled()
        new, settled = _product(before.new, after.new), _product(before.settled, after.settled)
        rows.append(_scaled([one + other for one, other in zip(new, settled, strict=True)]))
    return rows[::-1]


def _path(opening: Sequence[Row], going_on: Sequence[Row], last: int) -> list[int]:
    """The likeliest sequence of keys that has settled in ``last``."""
    best = _Chances(_scaled(opening[0]), _NONE)
    came_from: list[tuple[list[int], list[bool]]] = []
    for first, next_ in zip(opening[1:], going_on[1:], strict=True):
        arrivals = [_product(best.settled, into) for into in _moves()]
        was_new = [new > _STAY * settled for new, settled in zip(best.new, best.settled, strict=True)]
        staying = [max(new, _STAY * settled) for new, settled in zip(best.new, best.settled, strict=True)]
        came_from.append(([arrival.index(max(arrival)) for arrival in arrivals], was_new))
        best = _Chances(_product(first, list(map(max, arrivals))), _product(next_, staying)).scaled()
    path, new = [last], False
    for origins, was_new in reversed(came_from):
        here = path[-1]
        path.append(origins[here] if new else here)
        new = not new and was_new[here]
    return path[::-1]


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


def _product(row: Row, other: Row | tuple[float, ...]) -> Row:
    return list(map(mul, row, other))


def _dot(row: Sequence[float], other: Sequence[float]) -> float:
    return math.fsum(map(mul, row, other))
