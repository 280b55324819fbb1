"""Drawing codes: audiocraft's algorithm, with a generator of its own for every row, for many rows at once.

``torch.multinomial`` divides each probability by noise from an exponential distribution and takes the largest
quotient. The noise is all that a generator makes; drawn apart, it leaves the rest to be done for all rows together, and
each row's codes are those that audiocraft draws after ``torch.manual_seed``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

COLDEST = 1e-5
"""Below this temperature logits would leave float32's range; there the most likely code is as good as certain."""


@dataclass(frozen=True)
class Sampling:
    """How a row's codes are drawn.

    Attributes:
        temperature: of the softmax; below ``COLDEST`` the most likely code is taken, and nothing drawn.
        top_k: only so many of the most likely are drawn from; 0 for all.
        top_p: only the most likely that come to this probability are drawn from; 0 leaves it to ``top_k``.
        guidance_scale: how far to go from the null condition's logits past the condition's; 1 needs no null condition.
    """

    temperature: float = 1.0
    top_k: int = 250
    top_p: float = 0.0
    guidance_scale: float = 3.0

    @property
    def lanes(self) -> int:
        """Of the batch that a row takes: its condition, and the null condition with guidance."""
        return 1 if self.guidance_scale == 1 else 2


def noise(generator: torch.Generator, codebooks: int, cardinality: int) -> Tensor:
    """What one row's next draw needs, ``[K, V]``."""
    return torch.empty(codebooks, cardinality).exponential_(1, generator=generator)


def guided(logits: Tensor, samplings: Sequence[Sampling]) -> Tensor:
    """One row each, ``[R, ...]``, from the lanes' logits: a row's condition, then its null condition if it has one."""
    lanes = torch.tensor([sampling.lanes for sampling in samplings])
    last = lanes.cumsum(0) - 1
    scales = torch.tensor([sampling.guidance_scale for sampling in samplings], device=logits.device)
    null = logits[last.to(logits.device)]
    condition = logits[(last - lanes + 1).to(logits.device)]
    return null + (condition - null) * scales.view(-1, *[1] * (logits.dim() - 1))


def draw(logits: Tensor, samplings: Sequence[Sampling], noises: Sequence[Tensor | None]) -> Tensor:
    """Codes ``[R, K]`` from rows ``[R, K, V]``; a row whose temperature is 0 needs no noise."""
    codes = logits.argmax(-1)
    for sampling in dict.fromkeys(samplings):
        if sampling.temperature < COLDEST:
            continue
        rows = [row for row, other in enumerate(samplings) if other == sampling]
        drawn = torch.stack([each for row in rows if (each := noises[row]) is not None]).to(logits.device)
        codes[rows] = _drawn(logits[rows], sampling, drawn)
    return codes


def _drawn(logits: Tensor, sampling: Sampling, drawn: Tensor) -> Tensor:
    """Rows that are drawn alike; in the order of ``sample_top_p`` and ``sample_top_k`` of audiocraft's utils."""
    probabilities = torch.softmax(logits / sampling.temperature, -1)
    if sampling.top_p > 0:
        likely, order = probabilities.sort(-1, descending=True)
        before = likely.cumsum(-1) - likely
        likely *= before <= sampling.top_p
        likely /= likely.sum(-1, keepdim=True)
        return order.gather(-1, (likely / drawn).argmax(-1, keepdim=True))[..., 0]
    if 0 < sampling.top_k < probabilities.shape[-1]:
        least = probabilities.topk(sampling.top_k).values[..., -1:]
        probabilities *= probabilities >= least
        probabilities /= probabilities.sum(-1, keepdim=True)
    return (probabilities / drawn).argmax(-1)
