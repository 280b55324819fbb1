"""The audio of a file in storage, block by block."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from core.audio.decode import decode
from core.files.background import ReadAhead
from core.files.reader import BlobReader
from core.files.source import Source
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block

_BLOCKS_AHEAD = 4  # of about a second each: enough to decode while others compute


def decoded(blobs: Blobs, source: Source, longest_seconds: float) -> Generator[Block, None, None]:
    """Its samples ``[C, T]`` at its own rate. Raises ``AudioError``, ``SourceChanged`` or ``SourceNotFound``."""
    file = BlobReader(blobs, source)
    with file, closing(decode(file, longest_seconds, source.filename)) as blocks:
        yield from blocks


def decoded_ahead(blobs: Blobs, source: Source, longest_seconds: float) -> Generator[Block, None, None]:
    """As ``decoded``, in a thread of its own, a few seconds ahead of whoever reads."""
    with ReadAhead(partial(decoded, blobs, source, longest_seconds), _BLOCKS_AHEAD) as blocks:
        yield from blocks
