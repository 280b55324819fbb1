"""Rows that come in batches, held back until what follows them is known. Before the first there are zeros."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray


class Delay:
    """Gives rows out so many rows late."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._held: NDArray[Any] | None = None

    def push(self, rows: NDArray[Any]) -> NDArray[Any]:
        """As many rows as come in, ``[C, T, …]``."""
        joined = _after(self._held, rows, self._delay, axis=1)
        self._held = joined[:, rows.shape[1] :].copy()  # a view would keep the whole batch
        return joined[:, : rows.shape[1]]


class Surroundings:
    """Gives rows out so many rows late, together with as many before and after each."""

    def __init__(self, delay: int) -> None:
        self._delay = delay
        self._held: NDArray[np.float32] | None = None

    def push(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[T, B, 2 · delay + 1]`` for rows ``[T, B]``."""
        joined = _after(self._held, rows, 2 * self._delay, axis=0)
        self._held = joined[len(rows) :].copy()
        return sliding_window_view(joined, 2 * self._delay + 1, axis=0)


def _after(held: NDArray[Any] | None, rows: NDArray[Any], count: int, axis: int) -> NDArray[Any]:
    if held is None:
        held = np.zeros((*rows.shape[:axis], count, *rows.shape[axis + 1 :]), rows.dtype)
    return np.concatenate([held, rows], axis=axis)
