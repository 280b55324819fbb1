"""A zip that is written while it is sent: nothing of it is held but the piece in hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator


class _Outbox(io.RawIOBase):
    """A file that cannot seek; what is written to it waits to be taken out."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override] # zipfile passes these
        self._pieces.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken, self._pieces = b"".join(self._pieces), []
        return taken


def zip_stream(files: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """Yield a zip of ``(name, content)`` piece by piece. Stored, not compressed: audio hardly shrinks."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            with archive.open(name, "w", force_zip64=True) as entry:
                for piece in content:
                    entry.write(piece)
                    yield outbox.take()
    yield outbox.take()
