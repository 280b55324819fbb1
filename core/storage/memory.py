"""Storage in the process's own memory: for tests, benchmarks and trying things out. Safe between threads."""

from __future__ import annotations

import itertools
import threading
import time
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from core.errors import BlobChanged, BlobNotFound, RowChanged, RowExists, RowNotFound, WorkLost
from core.ports import BlobProperties, Change, Insert, Remove, Row, StagedBlock

_PIECE_BYTES = 4 * 2**20


_FEW = 32  # keys that are cheaper to insert one by one than by going through all that are there


class _Partition:
    """Rows, and their keys in order; new keys are put in order when a range is asked for."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._keys: list[str] = []
        self._new_keys: list[str] = []

    def put(self, row: Row) -> None:
        if row.key not in self.rows:
            self._new_keys.append(row.key)
        self.rows[row.key] = row

    def remove(self, key: str) -> None:
        if self.rows.pop(key, None):
            keys = self._ordered()
            del keys[bisect_left(keys, key)]

    def range(self, start: str, stop: str, limit: int) -> list[Row]:
        keys = self._ordered()
        first, end = bisect_left(keys, start), bisect_left(keys, stop)
        return [self.rows[key] for key in keys[first : min(end, first + limit)]]

    def _ordered(self) -> list[str]:
        if len(self._new_keys) > _FEW:
            self._keys += self._new_keys
            self._keys.sort()
        else:
            for key in self._new_keys:
                insort(self._keys, key)
        self._new_keys.clear()
        return self._keys


class MemoryTable:
    """A ``Table``: rows by partition."""

    def __init__(self) -> None:
        self._partitions: defaultdict[str, _Partition] = defaultdict(_Partition)
        self._etags = itertools.count(1)
        self._lock = threading.Lock()

    def get(self, partition: str, key: str) -> Row:
        with self._lock:
            try:
                return self._partitions[partition].rows[key]
            except KeyError:
                raise RowNotFound from None

    def commit(self, partition: str, *changes: Change) -> tuple[str, ...]:
        with self._lock:
            there = self._partitions[partition]
            for change in changes:
                _check(there.rows, change)
            return tuple(self._apply(there, change) for change in changes)

    def scan(self, partition: str, start: str, stop: str, limit: int) -> list[Row]:
        with self._lock:
            return self._partitions[partition].range(start, stop, limit)

    def _apply(self, there: _Partition, change: Change) -> str:
        if isinstance(change, Remove):
            there.remove(change.key)
            return ""
        etag = str(next(self._etags))
        there.put(Row(change.key, change.document, etag))
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


@dataclass(frozen=True)
class _Blob:
    content: bytes
    metadata: dict[str, str]
    etag: str
    blocks: dict[str, bytes]


class MemoryBlobs:
    """``Blobs`` in a dictionary."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], _Blob] = {}
        self._staged: defaultdict[tuple[str, str], dict[str, bytes]] = defaultdict(dict)
        self._etags = itertools.count(1)
        self._lock = threading.Lock()

    def write(
        self, container: str, name: str, chunks: Callable[[], Iterator[bytes]], *, size_bytes: int,
        content_type: str, metadata: dict[str, str],
    ) -> None:  # fmt: skip
        content = b"".join(chunks())
        if len(content) != size_bytes:
            raise ValueError(f"{name}: {len(content)} bytes came, {size_bytes} were announced")
        with self._lock:
            self._put((container, name), content, metadata, {})

    def read(self, container: str, name: str) -> Iterator[bytes]:
        content = self._get(container, name).content
        return (content[start : start + _PIECE_BYTES] for start in range(0, len(content), _PIECE_BYTES))

    def read_range(self, container: str, name: str, offset: int, size_bytes: int, etag: str) -> bytes:
        return self._get(container, name, etag).content[offset : offset + size_bytes]

    def properties(self, container: str, name: str) -> BlobProperties | None:
        with self._lock:
            blob = self._blobs.get((container, name))
        return _properties(name, blob) if blob else None

    def set_metadata(self, container: str, name: str, metadata: dict[str, str], etag: str) -> None:
        with self._lock:
            blob = self._find(container, name, etag)
            self._blobs[container, name] = replace(blob, metadata=dict(metadata), etag=self._next_etag())

    def stage(self, container: str, name: str, block_id: str, content: bytes) -> None:
        with self._lock:
            self._staged[container, name][block_id] = content

    def staged(self, container: str, name: str) -> list[StagedBlock]:
        with self._lock:
            blocks = self._staged.get((container, name), {})
            return [StagedBlock(block_id, len(content)) for block_id, content in blocks.items()]

    def commit(
        self, container: str, name: str, block_ids: list[str], *, content_type: str, metadata: dict[str, str]
    ) -> None:
        key = (container, name)
        with self._lock:
            there = (self._blobs[key].blocks if key in self._blobs else {}) | self._staged.get(key, {})
            if missing := [block_id for block_id in block_ids if block_id not in there]:
                raise WorkLost(f"no block {missing[0]!r} of {container}/{name} is staged")
            blocks = {block_id: there[block_id] for block_id in block_ids}
            self._put(key, b"".join(there[block_id] for block_id in block_ids), metadata, blocks)

    def remove_all(self, container: str, prefix: str) -> int:
        with self._lock:
            keys = [key for key in self._blobs if key[0] == container and key[1].startswith(prefix)]
            for key in keys:
                del self._blobs[key]
                self._staged.pop(key, None)
        return len(keys)

    def url(self, container: str, name: str) -> str:
        return f"memory://{container}/{name}"

    def signed_url(self, container: str, name: str, *, expires_at: datetime, filename: str) -> str:
        return f"{self.url(container, name)}?expires={expires_at.isoformat()}&filename={filename}"

    def signed_upload_url(self, container: str, name: str, *, expires_at: datetime) -> str:
        return f"{self.url(container, name)}?expires={expires_at.isoformat()}&permissions=cw"

    def list_all(self, container: str, prefix: str) -> list[BlobProperties]:
        with self._lock:
            found = [(key[1], blob) for key, blob in self._blobs.items() if key[0] == container]
        return [_properties(name, blob) for name, blob in sorted(found, key=_name) if name.startswith(prefix)]

    def _get(self, container: str, name: str, etag: str | None = None) -> _Blob:
        with self._lock:
            return self._find(container, name, etag)

    def _find(self, container: str, name: str, etag: str | None) -> _Blob:
        blob = self._blobs.get((container, name))
        if blob is None:
            raise BlobNotFound(f"there is no blob {container}/{name}")
        if etag not in (None, blob.etag):
            raise BlobChanged(f"the blob {container}/{name} is no longer {etag}")
        return blob

    def _put(self, key: tuple[str, str], content: bytes, metadata: dict[str, str], blocks: dict[str, bytes]) -> None:
        self._blobs[key] = _Blob(content, dict(metadata), self._next_etag(), blocks)
        self._staged.pop(key, None)

    def _next_etag(self) -> str:
        return f'"{next(self._etags)}"'


def _name(item: tuple[str, _Blob]) -> str:
    return item[0]


def _properties(name: str, blob: _Blob) -> BlobProperties:
    return BlobProperties(name, len(blob.content), dict(blob.metadata), blob.etag)
