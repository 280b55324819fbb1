"""Continuous batching: the rows of everyone who uses a model are drawn together, each from the next step on.

A step mostly reads the model's weights, and it reads them once for all rows. Nobody waits for a batch to fill or to
end. A row's codes do not depend on the others': it has a generator, positions and a cache of its own.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from core.engines.memory import is_out_of_memory
from core.engines.musicgen.rows import Drawing, Group, Row
from core.engines.musicgen.sampling import draw, guided
from core.errors import EngineFailed, NotFinite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from core.engines.musicgen.decoder import Decoder, Feed
    from core.engines.musicgen.model import Codes

Pieces = list[tuple[int, "Codes"]]
"""What a step completed: rows' indices, and their next frames ``[K, n]``."""

_log = logging.getLogger(__name__)

_POSITIONS_ON_CPU, _POSITIONS_ON_GPU = 8, 512
"""How much of a prompt a step reads, whoever else takes part in it. More is hardly faster on a CPU with four stems, and
whoever wants to stop waits for the step's end."""

_CLOSED = "the model was unloaded while it was in use"
_NOT_FINITE = "the language model computed logits that are no numbers"
_NO_MEMORY = "there is not enough memory to draw a single row of this length"


class _Report(NamedTuple):
    """What a step did for a run."""

    pieces: Pieces
    finished: int


class Run:
    """One user's rows. Closing it drops them at the next step, and disturbs nobody. For one thread."""

    def __init__(self, batcher: Batcher) -> None:
        self.closed = False
        self._batcher = batcher
        self._reports: SimpleQueue[_Report | EngineFailed] = SimpleQueue()
        self._new: list[Drawing] = []
        self._added = self._left = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give up what is left."""
        self.closed = True

    def add(self, row: Row) -> int:
        """Have a row drawn too; its index. It may be added while others are iterated over.

        Rows that are added one right after another begin together, when the iterator is next asked for a step.
        """
        index = self._added
        self._new.append(Drawing(self, index, row, self._batcher.decoder))
        self._added += 1
        self._left += 1
        return index

    def __iter__(self) -> Iterator[Pieces]:
        """Yield what each step of the model completed, which may be nothing, until none of the rows is left.

        A row's frames come in order, those of its prompt are not among them. Raises ``EngineFailed`` if a row
        fails: ``NotFinite`` if its logits are no numbers.
        """
        while self._left:
            new, self._new = self._new, []
            self._batcher.submit(new)
            report = self._reports.get()
            if isinstance(report, EngineFailed):
                raise report
            self._left -= report.finished
            yield report.pieces

    def tell(self, report: _Report) -> None:
        """Of a step; called by the batcher's thread."""
        self._reports.put(report)

    def fail(self, error: EngineFailed) -> None:
        """Raise an error from the iterator; called by the batcher's thread."""
        self.closed = True
        self._reports.put(error)


class Batcher:
    """All rows of one model. Its thread is there while there are rows.

    Attributes:
        decoder: the model.
    """

    def __init__(self, decoder: Decoder, memory_bytes: int, before_step: Callable[[int], None] | None = None) -> None:
        """Begin without rows.

        Args:
            memory_bytes: what the caches of all rows may take together: others wait for their turn, first come first
                served. A row that takes more is drawn alone.
            before_step: told how many rows take part in the step; what it raises, the step raises.
        """
        self.decoder = decoder
        self._memory_bytes, self._before_step = memory_bytes, before_step
        self._positions = _POSITIONS_ON_CPU if decoder.device == "cpu" else _POSITIONS_ON_GPU
        self._lock = threading.Lock()  # for the first three; the others are the thread's own
        self._waiting: deque[Drawing] = deque()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._groups: list[Group] = []
        self._most_rows: int | None = None

    def run(self) -> Run:
        """For one user; without rows."""
        return Run(self)

    def close(self) -> None:
        """Fail the rows that are left, and take no others; returns when the thread has ended."""
        with self._lock:
            self._closed, thread = True, self._thread
        if thread:
            thread.join()

    def submit(self, rows: Sequence[Drawing]) -> None:
        """Have rows drawn from the next step on. Raises ``EngineFailed`` after ``close``."""
        with self._lock:
            if self._closed:
                raise EngineFailed(_CLOSED)
            self._waiting.extend(rows)
            if self._waiting and not self._thread:
                self._thread = threading.Thread(target=self._work, name="musicgen-batch", daemon=True)
                self._thread.start()

    @torch.inference_mode()
    def _work(self) -> None:
        while self._go_on():
            try:
                self._admit()
                self._step()
            except Exception as error:  # noqa: BLE001 - whatever breaks a step fails its rows, and never the thread
                if is_out_of_memory(error):
                    self._halve()
                else:
                    _log.exception("a step of the language model failed")
                    self._fail(f"a step of the language model failed: {error}")

    def _go_on(self) -> bool:
        """Forget rows that nobody wants any longer; whether there are others."""
        with self._lock:
            if self._closed:
                for run in self._runs():
                    run.fail(EngineFailed(_CLOSED))
            self._waiting = deque(row for row in self._waiting if not row.run.closed)
            self._groups = [group for group in self._groups if not group.run.closed]
            if not self._groups and not self._waiting:
                self._thread = self._most_rows = None
            return self._thread is not None

    def _runs(self) -> list[Run]:
        """Everyone who has rows here; the lock is held."""
        return list(dict.fromkeys([*(group.run for group in self._groups), *(row.run for row in self._waiting)]))

    def _admit(self) -> None:
        while rows := self._next_rows():
            try:
                self._groups.append(Group(rows, self.decoder))
            except Exception as error:  # noqa: BLE001 - whatever breaks it fails these rows, and never the thread
                self._refuse(rows, error)
                return

    def _refuse(self, rows: Sequence[Drawing], error: Exception) -> None:
        """Let rows wait that there was no memory for, until there are fewer; fail them if that cannot help."""
        running = sum(len(group.rows) for group in self._groups)
        if is_out_of_memory(error) and running + len(rows) > 1:
            self._most_rows = running or (len(rows) + 1) // 2
            _log.warning("out of memory for %d rows more: going on with %d", len(rows), self._most_rows)
            with self._lock:
                self._waiting.extendleft(reversed(rows))
            return
        _log.error("rows could not be begun", exc_info=error)
        sentence = _NO_MEMORY if is_out_of_memory(error) else f"the language model failed: {error}"
        for run in {row.run for row in rows}:
            run.fail(EngineFailed(sentence))

    def _next_rows(self) -> list[Drawing]:
        """The rows that come next, are alike and fit beside the others; none if others must leave first."""
        rows: list[Drawing] = []
        taken = [row for group in self._groups for row in group.rows]
        with self._lock:
            while self._waiting and (not rows or self._waiting[0].like(rows[0])):
                if (taken or rows) and not self._fits([*taken, *rows, self._waiting[0]]):
                    break
                rows.append(self._waiting.popleft())
        return rows

    def _fits(self, rows: Sequence[Drawing]) -> bool:
        if self._most_rows is not None and len(rows) > self._most_rows:
            return False
        return sum(row.cache_bytes for row in rows) <= self._memory_bytes

    def _step(self) -> None:
        """Go on by one position with every row that has its past in the cache, by several with the others."""
        groups = self._groups
        if self._before_step:
            self._before_step(sum(len(group.rows) for group in groups))
        feeds = [group.feed(self._positions) for group in groups]
        logits = torch.split(self.decoder.logits(feeds), [group.lanes for group in groups])
        ready = [feed.inputs.shape[1] == group.pending for group, feed in zip(groups, feeds, strict=True)]
        rows = [row for group, is_ready in zip(groups, ready, strict=True) if is_ready for row in group.rows]
        drawn = _drawn([part for part, is_ready in zip(logits, ready, strict=True) if is_ready], rows)
        self._move_on(feeds, rows, *drawn)

    def _move_on(
        self, feeds: Sequence[Feed], rows: Sequence[Drawing], codes: NDArray[np.int64], finite: NDArray[np.bool_]
    ) -> None:
        """From here on nothing can run out of memory: the step has been made, and everyone is told of it."""
        for feed in feeds:
            feed.cache.position += feed.inputs.shape[1]
        with self._lock:
            pieces: dict[Run, Pieces] = {run: [] for run in self._runs()}
        finished = dict.fromkeys(pieces, 0)
        for row, drawn, is_finite in zip(rows, codes, finite, strict=True):
            if not is_finite:
                row.run.fail(NotFinite(_NOT_FINITE))
                continue
            row.put(drawn)
            finished[row.run] += row.codes.finished
            if (frames := row.codes.take()).shape[1]:
                pieces[row.run].append((row.index, frames))
        for run in pieces:
            run.tell(_Report(pieces[run], finished[run]))
        self._groups = [group for group in self._groups if not group.rows[0].codes.finished]
        if not self._groups:
            self._most_rows = None

    def _fail(self, sentence: str) -> None:
        for group in self._groups:
            if not group.run.closed:
                group.run.fail(EngineFailed(sentence))

    def _halve(self) -> None:
        """Have half of the rows wait, those that came last, until the others are drawn.

        A group that would be taken apart waits as a whole: it is read into new caches, a part at a time.
        """
        rows = [row for group in self._groups for row in group.rows]
        if len(rows) == 1:
            self._fail(_NO_MEMORY)
            return
        self._most_rows = (len(rows) + 1) // 2
        _log.warning("out of memory with %d rows at once: going on with %d", len(rows), self._most_rows)
        while sum(len(group.rows) for group in self._groups) > self._most_rows:
            leaving = self._groups.pop()
            with self._lock:
                self._waiting.extendleft(reversed(leaving.rows))


def _drawn(logits: Sequence[Tensor], rows: Sequence[Drawing]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The rows' next codes ``[R, K]``, and which of them are made of finite numbers ``[R]``."""
    if not rows:
        return np.zeros((0, 0), np.int64), np.zeros(0, np.bool_)
    samplings = [row.sampling for row in rows]
    rows_logits = guided(torch.cat(list(logits)), samplings)
    codes = draw(rows_logits, samplings, [row.noise() for row in rows])
    return codes.cpu().numpy(), rows_logits.isfinite().flatten(1).all(1).cpu().numpy()
