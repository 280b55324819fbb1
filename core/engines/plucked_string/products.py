"""Products of matrices on one core.

OpenBLAS spreads a product of more than 2^18 multiplications over all cores, where its threads wait for each other in a
loop: where cores are shared, that costs several times what it saves, and the sums' last bits depend on how many there
are. Rows are taken a few at a time instead; measured on one core, that is as fast.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_MULTIPLICATIONS = 2**18


def multiply(rows: NDArray[np.float32], matrix: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    """``out[M, L] = rows[M, K] @ matrix[K, L]``."""
    few = max(_MOST_MULTIPLICATIONS // max(matrix.size, 1), 1)
    for start in range(0, len(rows), few):
        np.matmul(rows[start : start + few], matrix, out=out[start : start + few])
