"""Reading ahead and writing behind: what keeps storage and codecs busy while an engine computes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Full, Queue
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1  # how soon a reader that nobody listens to any more notices


class ReadAhead(Generic[T]):
    """Runs an iterator in a thread, at most ``depth`` items ahead of whoever reads; a context manager.

    An error of the iterator is raised at the item that it would have been. The iterator is made, used and closed in
    that one thread.
    """

    def __init__(self, start: Callable[[], Iterator[T]], depth: int) -> None:
        self._items: Queue[tuple[str, T | BaseException | None]] = Queue(depth)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(start,), name="read-ahead")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopped.set()
        self._thread.join()

    def __iter__(self) -> Iterator[T]:
        while True:
            kind, item = self._items.get()
            if kind == "item":
                yield item  # type: ignore[misc] # the tag says that it is one
            elif isinstance(item, BaseException):
                raise item
            else:
                return

    def _run(self, start: Callable[[], Iterator[T]]) -> None:
        items = None
        try:
            items = start()
            for item in items:
                if not self._put(("item", item)):
                    return
            self._put(("end", None))
        except BaseException as error:  # noqa: BLE001 - it is the reader's to handle
            self._put(("end", error))
        finally:
            if (close := getattr(items, "close", None)) is not None:
                close()

    def _put(self, item: tuple[str, T | BaseException | None]) -> bool:
        while not self._stopped.is_set():
            try:
                self._items.put(item, timeout=_POLL_SECONDS)
            except Full:
                continue
            return True
        return False


class WriteBehind:
    """Runs calls in a few threads while at most ``depth`` are unfinished; a context manager.

    The first error is raised by the next ``submit`` that has to wait, by ``wait``, or at the end of the ``with`` block.
    A block that ends with an error drops the calls that have not begun.
    """

    def __init__(self, depth: int, threads: int = 1) -> None:
        self._depth = depth
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="write-behind")
        self._unfinished: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if error is None:
                self.wait()
        finally:
            self._pool.shutdown(cancel_futures=True)

    def submit(self, call: Callable[[], None]) -> None:
        """Have ``call`` run; waits while too many are unfinished. May be called from several threads."""
        with self._lock:
            while len(self._unfinished) >= self._depth:
                self._unfinished.popleft().result()
            self._unfinished.append(self._pool.submit(call))

    def wait(self) -> None:
        """Wait for every call, whatever becomes of the others; then the first error is raised."""
        calls = [*self._unfinished]
        self._unfinished.clear()
        wait(calls)
        for call in calls:
            call.result()
