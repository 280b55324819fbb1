"""Rows of codes on their way: what is asked for, what is drawn of it, and those that go on side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core.engines.musicgen.decoder import Feed
from core.engines.musicgen.delays import DelayedCodes
from core.engines.musicgen.sampling import COLDEST, Sampling, noise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.engines.musicgen.batching import Run
    from core.engines.musicgen.cache import Cache
    from core.engines.musicgen.decoder import Decoder
    from core.engines.musicgen.model import Codes, Conditioning


@dataclass(eq=False)
class Row:
    """A sequence of codes to draw.

    Attributes:
        null: what guidance leads away from; not looked at when ``sampling.guidance_scale`` is 1.
        prompt: the first frames, ``[K, P]``; P may be 0, and is less than ``frames``.
        frames: in all, those of the prompt among them.
        generator: the row's own, on the CPU; the same seed and row give the same codes.
    """

    conditioning: Conditioning
    null: Conditioning
    prompt: Codes
    frames: int
    sampling: Sampling
    generator: torch.Generator


class Drawing:
    """A row of a run, with what is known of its codes. It can go on from there with a new cache.

    Attributes:
        length: how many positions it has, those of the prefix among them.
        given: how many of them were known before the first was drawn.
    """

    def __init__(self, run: Run, index: int, row: Row, decoder: Decoder) -> None:
        self.run, self.index, self.sampling = run, index, row.sampling
        self.conditionings = [row.conditioning, row.null][: row.sampling.lanes]
        self.prefix = decoder.prefix(self.conditionings)
        self.codes = DelayedCodes(row.prompt, row.frames, decoder.delays, decoder.cardinality)
        self.length = self.prefix.shape[1] + self.codes.count
        self.given = self.prefix.shape[1] + self.codes.known
        self.cache_bytes = decoder.cache_bytes(len(self.conditionings), self.length)
        self._generator, self._shape = row.generator, (decoder.num_codebooks, decoder.cardinality)
        self._noise: Tensor | None = None

    def like(self, other: Drawing) -> bool:
        """Whether both are of one run, equally far, and have equally much before them."""
        mine, others = (
            (each.run, each.prefix.shape[1], each.given, each.codes.known, each.codes.count) for each in (self, other)
        )  # fmt: skip
        return mine == others

    def noise(self) -> Tensor | None:
        """What the next step is drawn with: the same until ``put``, however often a step has to be tried again."""
        if self._noise is None and self.sampling.temperature >= COLDEST:
            self._noise = noise(self._generator, *self._shape)
        return self._noise

    def put(self, drawn: NDArray[np.int64]) -> None:
        """Go on by the step ``[K]`` that was drawn."""
        self._noise = None
        self.codes.put(drawn)


class Group:
    """Rows of one run that are equally far and stay so; their lanes share a cache, and are attended to at once.

    They end together, or with the run. What is known of their codes is put into the cache by and by: always in the same
    parts, what was drawn a step at a time, for the sums of a part come out a little otherwise than those of its steps.
    """

    def __init__(self, rows: Sequence[Drawing], decoder: Decoder) -> None:
        self.rows, self.run = rows, rows[0].run
        self.lanes = sum(len(row.conditionings) for row in rows)
        self._decoder = decoder
        self._row_of_lane = torch.tensor([index for index, row in enumerate(rows) for _ in row.conditionings])

    @cached_property
    def cache(self) -> Cache:
        """Laid out at its first use, which is a step, and may find that there is no memory for it."""
        return self._decoder.cache([one for row in self.rows for one in row.conditionings], self.rows[0].length)

    @cached_property
    def _prefix(self) -> Tensor:
        return torch.cat([row.prefix for row in self.rows])

    @property
    def pending(self) -> int:
        """How many positions are known that the cache does not know; after the last of them comes a draw."""
        return self._prefix.shape[1] + self.rows[0].codes.known - self.cache.position

    def feed(self, most: int) -> Feed:
        """The next of those positions, at most so many."""
        start, given = self.cache.position, self.rows[0].given
        end = min(start + most, given) if start < given else start + 1
        prefix = self._prefix.shape[1]
        parts = [self._prefix[:, start:end]] if start < prefix else []
        if end > prefix:
            parts.append(self._steps(max(start - prefix, 0), end - prefix))
        return Feed(self.cache, torch.cat(parts, dim=1))

    def _steps(self, start: int, end: int) -> Tensor:
        codes = torch.from_numpy(np.stack([row.codes.steps(start, end) for row in self.rows]))
        return self._decoder.embed(codes)[self._row_of_lane.to(self._decoder.device)]
