"""Steps as CUDA graphs: on a GPU, starting a step's hundreds of kernels one by one takes longer than they do."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from core.engines.memory import is_out_of_memory

if TYPE_CHECKING:
    from core.engines.musicgen.cache import Cache
    from core.engines.musicgen.decoder import Feed

_log = logging.getLogger(__name__)


class ReplayedSteps:
    """Computes what the function that it is made of computes; a step of single positions by replaying the last one.

    A graph holds for as long as the same caches take part, which must be ``StaticCache``s: rows that join or leave have
    the next step recorded again. Its result is overwritten by the next step.
    """

    def __init__(self, compute: Callable[[Sequence[Feed]], Tensor]) -> None:
        self._compute = compute
        self._graph: torch.cuda.CUDAGraph | None = None
        self._caches: list[weakref.ref[Cache]] = []  # weak, so that rows that left give their memory back
        self._inputs: list[Tensor] = []
        self._result = torch.empty(0)
        self._refused = False

    def __call__(self, feeds: Sequence[Feed]) -> Tensor:
        if self._refused or any(feed.inputs.shape[1] > 1 for feed in feeds):
            return self._compute(feeds)
        if not self._graph or [feed.cache for feed in feeds] != [cache() for cache in self._caches]:
            try:
                self._graph = self._record(feeds)
            except RuntimeError as error:
                if is_out_of_memory(error):
                    raise
                _log.warning("steps cannot be recorded on this GPU, and are slower without that", exc_info=error)
                self._refused = True
                return self._compute(feeds)
        for feed, recorded in zip(feeds, self._inputs, strict=True):
            recorded.copy_(feed.inputs)
        self._graph.replay()
        return self._result

    def _record(self, feeds: Sequence[Feed]) -> torch.cuda.CUDAGraph:
        """Record a step: it writes what the same step, when it is replayed, writes again."""
        self._graph = None
        with torch.cuda.device(feeds[0].inputs.device):
            return self._recorded(feeds)

    def _recorded(self, feeds: Sequence[Feed]) -> torch.cuda.CUDAGraph:
        self._caches = [weakref.ref(feed.cache) for feed in feeds]
        recorded = [feed._replace(inputs=feed.inputs.clone()) for feed in feeds]
        self._inputs = [feed.inputs for feed in recorded]
        stream: torch.cuda.Stream = torch.cuda.Stream()  # type: ignore[no-untyped-call] # torch has no types for it
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # the first call of a kernel may do what cannot be recorded
            self._compute(recorded)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads go on computing
            self._result = self._compute(recorded)
        return graph
