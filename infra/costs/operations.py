"""How many operations of storage a file takes, by the block sizes of the code."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from core.files.reader import PIECE_BYTES
from core.files.writer import BLOCK_BYTES

SINGLE_WRITE_BYTES = 8 * 2**20
"""Up to here a file is one write: ``core/storage/azure_blobs.py``; a test holds them equal."""


@dataclass(frozen=True)
class Operations:
    """Operations of storage by what is charged for them; deletions of blobs are free, but count as requests."""

    table: float = 0.0
    queue: float = 0.0
    blob_write: float = 0.0
    blob_read: float = 0.0
    blob_delete: float = 0.0

    def __add__(self, other: Operations) -> Operations:
        return Operations(*(mine + theirs for mine, theirs in zip(self._counts, other._counts, strict=True)))

    def __mul__(self, times: float) -> Operations:
        return Operations(*(times * count for count in self._counts))

    @property
    def total(self) -> float:
        """All requests to the account."""
        return sum(self._counts)

    @property
    def _counts(self) -> tuple[float, ...]:
        return (self.table, self.queue, self.blob_write, self.blob_read, self.blob_delete)


def written(size_bytes: float) -> Operations:
    """Writing a blob whose size is known: at once, or its blocks and the list of them."""
    at_once = size_bytes <= SINGLE_WRITE_BYTES
    return Operations(blob_write=1 if at_once else ceil(size_bytes / BLOCK_BYTES) + 1)


def staged(size_bytes: float) -> Operations:
    """Writing a blob while it is made: its blocks and the list of them."""
    return Operations(blob_write=ceil(size_bytes / BLOCK_BYTES) + 1)


def read(size_bytes: float) -> Operations:
    """Reading a blob in ranges."""
    return Operations(blob_read=ceil(size_bytes / PIECE_BYTES))


def removed(blobs: float) -> Operations:
    """Removing what lies under a prefix: a list, and each blob."""
    return Operations(blob_write=1, blob_delete=blobs)
