"""Writes a blob as a file whose beginning may still change: audio formats put into their header what they learn last.

The first block stays in memory until the end; every other one is staged as soon as it is full.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from functools import partial

from core.ports import Blobs

BLOCK_BYTES = 4 * 2**20


class BlobWriter:
    """A binary file, for writing alone. One may seek to the end, and into the first ``block_bytes`` to patch them.

    ``stage`` runs a call, now or in the background; whoever passes it in waits for all calls before ``commit``.
    ``writer`` tells this writer's blocks from those of another one that writes the same blob at the same time.
    """

    def __init__(
        self, blobs: Blobs, container: str, name: str, stage: Callable[[Callable[[], None]], None], *,
        writer: str = "", block_bytes: int = BLOCK_BYTES,
    ) -> None:  # fmt: skip
        self._blobs = blobs
        self._container = container
        self._name = name
        self._stage = stage
        self._writer = writer
        self._block_bytes = block_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self._staged = 0  # blocks after the head
        self._position = 0
        self._digest = hashlib.sha256()
        self._patched = False
        self.size_bytes = 0

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append, or patch the head."""
        view = memoryview(data).cast("B")
        overlap = min(len(view), self.size_bytes - self._position)
        if overlap:
            self._patch(view[:overlap])
        self._append(view[overlap:])
        return len(view)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to the end or into the head; anywhere else is ``io.UnsupportedOperation``."""
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size_bytes}[whence]
        if not (0 <= position <= len(self._head) or position == self.size_bytes):
            raise io.UnsupportedOperation(f"cannot go to byte {position} of {self.size_bytes}: it is uploaded already")
        self._position = position
        return position

    def tell(self) -> int:
        """The position, in bytes."""
        return self._position

    def read(self, size: int = -1) -> bytes:
        """Not possible."""
        raise io.UnsupportedOperation("this file is for writing")

    def readable(self) -> bool:
        """No."""
        return False

    def writable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Within the head, and to the end."""
        return True

    def flush(self) -> None:
        """Nothing: blocks are uploaded when they are full."""

    def abandon(self) -> None:
        """Take further writes and drop them; what was staged so far is never committed."""
        self._stage = lambda call: None

    def stage_rest(self) -> None:
        """Stage what is left, the head last of all; the file can no longer be written to."""
        if self._tail:
            self._stage_tail(bytes(self._tail))
        self._stage(partial(self._blobs.stage, self._container, self._name, self._block_id(0), bytes(self._head)))

    def commit(self, content_type: str) -> str:
        """Make the blob of the staged blocks; returns the SHA-256 of its content, in hexadecimal."""
        block_ids = [self._block_id(index) for index in range(self._staged + 1)]
        self._blobs.commit(self._container, self._name, block_ids, content_type=content_type, metadata={})
        if self._patched:  # the digest saw the header as it was at first
            self._digest = hashlib.sha256()
            for piece in self._blobs.read(self._container, self._name):
                self._digest.update(piece)
        return self._digest.hexdigest()

    def _append(self, view: memoryview) -> None:
        self._digest.update(view)
        self.size_bytes += len(view)
        self._position += len(view)
        room = self._block_bytes - len(self._head)
        self._head += view[:room]
        self._tail += view[room:]
        while len(self._tail) >= self._block_bytes:
            self._stage_tail(bytes(self._tail[: self._block_bytes]))
            del self._tail[: self._block_bytes]

    def _patch(self, view: memoryview) -> None:
        end = self._position + len(view)
        if end > len(self._head):
            raise io.UnsupportedOperation(
                f"cannot write over bytes {self._position} to {end}: only the head may change"
            )
        self._head[self._position : end] = view
        self._patched = True
        self._position = end

    def _stage_tail(self, content: bytes) -> None:
        self._staged += 1
        self._stage(partial(self._blobs.stage, self._container, self._name, self._block_id(self._staged), content))

    def _block_id(self, index: int) -> str:
        return f"{self._writer}{index:06d}"
