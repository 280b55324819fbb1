"""A blob as a file that can be read from anywhere, without a copy of it.

Decoders read in small steps and jump: in an mp4, the index may lie at the end. So the file comes in pieces of 4 MiB,
and the pieces used last are kept: at most 28 MiB at a time. Whoever reads on in order finds the next piece fetched
already.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from core.errors import BlobChanged, BlobNotFound, SourceChanged, SourceNotFound
from core.files.source import Source
from core.ports import Blobs

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

PIECE_BYTES = 4 * 2**20
_PIECES_KEPT = 5
_BUFFER_BYTES = 2**16


class BlobReader(io.BufferedReader):
    """The source, in the very version that was accepted. Close it when done, or use it as a context manager.

    Reading raises ``SourceChanged``, ``SourceNotFound`` or ``StorageUnavailable``.

    Attributes:
        size_bytes: of the whole file.
    """

    def __init__(self, blobs: Blobs, source: Source) -> None:
        super().__init__(_Pieces(blobs, source), _BUFFER_BYTES)
        self.size_bytes = source.size_bytes


class _Pieces(io.RawIOBase):
    """The file without a buffer: each read ends with the piece at the latest."""

    def __init__(self, blobs: Blobs, source: Source) -> None:
        self._blobs = blobs
        self._source = source
        self._position = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._used_last: int | None = None
        self._ahead: tuple[int, Future[bytes]] | None = None
        self._pool: ThreadPoolExecutor | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        bases = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size_bytes}
        position = bases[whence] + offset
        if position < 0:
            raise ValueError(f"there is no position {position}")
        self._position = position
        return position

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._position >= self._source.size_bytes:
            return 0
        index, start = divmod(self._position, PIECE_BYTES)
        target = memoryview(buffer).cast("B")
        part = memoryview(self._piece(index))[start : start + len(target)]
        target[: len(part)] = part
        self._position += len(part)
        return len(part)

    def close(self) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)
        self._kept.clear()
        super().close()

    def _piece(self, index: int) -> bytes:
        if index not in self._kept:
            self._kept[index] = self._fetched(index)
            if len(self._kept) > _PIECES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        if self._used_last == index - 1:
            self._fetch_ahead(index + 1)
        self._used_last = index
        return self._kept[index]

    def _fetched(self, index: int) -> bytes:
        if self._ahead and self._ahead[0] == index:
            piece, self._ahead = self._ahead[1], None
            return piece.result()
        return self._fetch(index)

    def _fetch_ahead(self, index: int) -> None:
        is_on_its_way = self._ahead is not None and self._ahead[0] == index
        if index * PIECE_BYTES >= self._source.size_bytes or index in self._kept or is_on_its_way:
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="blob-reader")
        self._ahead = (index, self._pool.submit(self._fetch, index))

    def _fetch(self, index: int) -> bytes:
        source = self._source
        try:
            return self._blobs.read_range(source.container, source.name, index * PIECE_BYTES, PIECE_BYTES, source.etag)
        except BlobChanged as error:
            raise SourceChanged(f"{source.container}/{source.name} was overwritten after it was accepted") from error
        except BlobNotFound as error:
            raise SourceNotFound(f"{source.container}/{source.name} was removed after it was accepted") from error
