"""The learning rate."""

from __future__ import annotations

import math

_LEAST_SHARE = 0.01  # of the highest, at the end


def learning_rate(step: int, steps: int, warmup_steps: int, highest: float) -> float:
    """Of the step of this number, from 0, out of ``steps``: it rises evenly, then falls as half a cosine.

    Source: Loshchilov and Hutter, "SGDR" (2017), equation 5, without restarts.
    """
    warmup = min(warmup_steps, steps // 10)
    if step < warmup:
        return highest * (step + 1) / warmup
    share = (step - warmup) / max(steps - warmup, 1)
    return highest * (_LEAST_SHARE + (1 - _LEAST_SHARE) * (1 + math.cos(math.pi * share)) / 2)
