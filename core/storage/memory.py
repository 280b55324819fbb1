"""Storage in the process's own memory: for tests, benchmarks and trying things out. Safe between threads."""

from __future__ import annotations

import itertools
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime

from core.errors import BlobNotFound, RowChanged, RowExists, RowNotFound
from core.ports import BlobProperties, Change, Insert, Remove, Row


class MemoryTable:
    """A ``Table``: one dictionary a partition."""

    def __init__(self) -> None:
        self._partitions: defaultdict[str, dict[str, Row]] = defaultdict(dict)
        self._sorted: dict[str, list[str]] = {}
        self._etags = itertools.count(1)
        self._lock = threading.Lock()

    def get(self, partition: str, key: str) -> Row:
        with self._lock:
            try:
                return self._partitions[partition][key]
            except KeyError:
                raise RowNotFound from None

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        with self._lock:
            rows = self._partitions[partition]
            for change in changes:
                _check(rows, change)
            self._sorted.pop(partition, None)
            return tuple(self._apply(rows, change) for change in changes)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        with self._lock:
            rows = self._partitions[partition]
            keys = self._sorted.setdefault(partition, sorted(rows))
            first, end = bisect_left(keys, start), bisect_left(keys, stop)
            return [rows[key] for key in keys[first : min(end, first + limit)]]

    def _apply(self, rows: dict[str, Row], change: Change) -> str:
        if isinstance(change, Remove):
            rows.pop(change.key, None)
            return ""
        etag = str(next(self._etags))
        rows[change.key] = Row(change.key, change.document, etag)
        return etag


def _check(rows: dict[str, Row], change: Change) -> None:
    row = rows.get(change.key)
    if isinstance(change, Insert):
        if row is not None:
            raise RowExists
    elif row is None:
        if isinstance(change, Remove) or change.etag is not None:
            raise RowNotFound
    elif change.etag not in (None, row.etag):
        raise RowChanged


class MemoryQueues:
    """``Queues``, and a way to take messages out again, which the Functions host does elsewhere."""

    def __init__(self) -> None:
        self._messages: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
        self._changed = threading.Condition()

    def send(self, queue: str, body: str, delay_seconds: float = 0) -> None:
        with self._changed:
            self._messages[queue].append((time.monotonic() + delay_seconds, body))
            self._changed.notify_all()

    def count(self, queue: str) -> int:
        with self._changed:
            return len(self._messages[queue])

    def messages(self, queue: str) -> list[str]:
        """Every message, the invisible ones included."""
        with self._changed:
            return [body for _, body in self._messages[queue]]

    def receive(self, *queues: str, timeout_seconds: float = 0) -> tuple[str, str] | None:
        """Take a visible message out of any of ``queues``: (queue, body), or ``None`` after the time-out."""
        with self._changed:
            self._changed.wait_for(lambda: any(self._visible(queue) is not None for queue in queues), timeout_seconds)
            for queue in queues:
                if (index := self._visible(queue)) is not None:
                    return queue, self._messages[queue].pop(index)[1]
        return None

    def _visible(self, queue: str) -> int | None:
        now = time.monotonic()
        return next((index for index, (at, _) in enumerate(self._messages[queue]) if at <= now), None)


class MemoryBlobs:
    """``Blobs`` in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], tuple[bytes, dict[str, str]]] = {}

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        content = b"".join(chunks())
        if len(content) != size_bytes:
            raise ValueError(f"{name}: {len(content)} bytes came, {size_bytes} were announced")
        self._blobs[container, name] = (content, dict(metadata))

    def read(self, container: str, name: str) -> Iterator[bytes]:
        if (container, name) not in self._blobs:
            raise BlobNotFound(f"there is no blob {container}/{name}")
        return iter((self._blobs[container, name][0],))

    def properties(self, container: str, name: str) -> BlobProperties | None:
        if (container, name) not in self._blobs:
            return None
        content, metadata = self._blobs[container, name]
        return BlobProperties(name, len(content), dict(metadata))

    def remove_all(self, container: str, prefix: str) -> int:
        names = [key for key in self._blobs if key[0] == container and key[1].startswith(prefix)]
        for key in names:
            del self._blobs[key]
        return len(names)

    def url(self, container: str, name: str) -> str:
        return f"memory://{container}/{name}"

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        return f"{self.url(container, name)}?expires={expires_at.isoformat()}&filename={filename}"
