"""Stems that wait are made together, whoever asked for them: those of one kind run as one batch.

Diffusion takes all rows of a batch through the same steps, so a row cannot join one that is running. A lone request
starts at once; what comes meanwhile waits for the batch to end, and then starts together.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from core.engines.catalogue import STABLE_AUDIO
from core.engines.memory import give_back_memory, is_out_of_memory
from core.errors import EngineFailed, NotFinite
from core.ports import StemRequest

DEFAULT_GUIDANCE_SCALE = 7.0  # as diffusers has it for this model, and the number of steps
_WAIT_SECONDS = 0.1

_log = logging.getLogger(__name__)


class _NobodyWaits(Exception):
    """All rows of a batch were dropped, or have failed."""


@dataclass(eq=False)
class Row:
    """A stem on its way.

    Attributes:
        done: how many of its steps are done; they are done again if memory runs out.
        latents: ``[D, L]``, once they are made.
        error: why they never will be.
        dropped: whether nobody wants them any more.
    """

    request: StemRequest
    done: int = 0
    latents: torch.Tensor | None = None
    error: EngineFailed | None = None
    dropped: bool = False

    @property
    def steps(self) -> int:
        """How many it takes."""
        return self.request.steps or STABLE_AUDIO.default.steps

    @property
    def guidance_scale(self) -> float:
        """1 for none."""
        scale = self.request.guidance_scale
        return DEFAULT_GUIDANCE_SCALE if scale is None else scale

    @property
    def kind(self) -> tuple[float, int, float, bool]:
        """What the rows of a batch must have in common: a model without a negative prompt is guided in another way."""
        negative = bool(self.request.negative_description)
        return self.request.duration_seconds, self.steps, self.guidance_scale, negative

    @property
    def pending(self) -> bool:
        """Whether it is still to be made."""
        return self.latents is None and self.error is None and not self.dropped


Sample = Callable[[Sequence[Row], Callable[[torch.Tensor], None]], torch.Tensor]
"""Makes the latents ``[B, D, L]`` of rows of one kind, and shows them to the function it is given after every step."""


class Batcher:
    """All rows of one model. Its thread is there while there are rows."""

    def __init__(self, sample: Sample, most_rows: int) -> None:
        """Begin without rows; ``most_rows`` are made at once at most."""
        self._sample, self._most_rows = sample, most_rows
        self._changed = threading.Condition()
        self._waiting: list[Row] = []
        self._thread: threading.Thread | None = None

    @contextmanager
    def rows(self, requests: Sequence[StemRequest]) -> Iterator[list[Row]]:
        """Have stems made while the block lasts; those that are not made by its end are dropped."""
        rows = [Row(request) for request in requests]
        with self._changed:
            self._waiting += rows
            if self._waiting and not self._thread:
                self._thread = threading.Thread(target=self._work, name="stable-audio-batch", daemon=True)
                self._thread.start()
        try:
            yield rows
        finally:
            for row in rows:
                row.dropped = True

    def wait(self, row: Row) -> None:
        """Return when ``row`` is no longer pending, after the next step of the model, or a little later."""
        with self._changed:
            if row.pending:
                self._changed.wait(_WAIT_SECONDS)

    def _work(self) -> None:
        most_rows = self._most_rows
        while batch := self._next(most_rows):
            try:
                self._make(batch)
            except _NobodyWaits:
                continue
            except Exception as error:  # noqa: BLE001 - whatever breaks a batch fails its rows, and never the thread
                if not is_out_of_memory(error) or len(batch) == 1:
                    self._fail(batch, error)
                    continue
                most_rows = len(batch) // 2
                _log.warning("out of memory with %d stems at once: going on with %d", len(batch), most_rows)
                self._put_back(batch)
                give_back_memory()

    def _next(self, most_rows: int) -> list[Row]:
        """The rows that have waited longest, of one kind; none, and the thread is over, if nobody waits."""
        with self._changed:
            self._waiting = [row for row in self._waiting if row.pending]
            batch = [row for row in self._waiting if row.kind == self._waiting[0].kind][:most_rows]
            self._waiting = [row for row in self._waiting if row not in batch]
            if not batch:
                self._thread = None
            return batch

    def _make(self, batch: list[Row]) -> None:
        def stepped(latents: torch.Tensor) -> None:
            finite = latents.isfinite().flatten(1).all(1).tolist()
            with self._changed:
                for row, is_finite in zip(batch, finite, strict=True):
                    row.done += 1
                    if not is_finite and row.error is None:
                        row.error = NotFinite(f"the model's latents are not finite after step {row.done}")
                self._changed.notify_all()
            if not any(row.pending for row in batch):
                raise _NobodyWaits

        made = self._sample(batch, stepped)
        with self._changed:
            for row, latents in zip(batch, made, strict=True):
                row.latents = latents if row.pending else None
            self._changed.notify_all()

    def _fail(self, batch: list[Row], error: Exception) -> None:
        sentence = f"the model broke: {error}"
        if is_out_of_memory(error):
            sentence = "there is not enough memory for a single stem of this model"
        _log.error("%s", sentence, exc_info=error)
        with self._changed:
            for row in batch:
                row.error = row.error or EngineFailed(sentence)
            self._changed.notify_all()

    def _put_back(self, batch: list[Row]) -> None:
        with self._changed:
            for row in batch:
                row.done = 0
            self._waiting[:0] = batch
