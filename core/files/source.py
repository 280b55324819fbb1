"""A file that a job works on."""

from __future__ import annotations

from core.jobs.model import UPLOADS, Model
from core.ports import BlobProperties

__all__ = ["UPLOADS", "Source"]


class Source(Model):
    """A blob, in the very version that was accepted.

    Attributes:
        filename: what the client calls it; its extension is held against what it contains.
        sha256: of its content, in hexadecimal; ``None`` for a client's own blob, which nobody has read to its end.
    """

    container: str
    name: str
    etag: str
    size_bytes: int
    filename: str
    sha256: str | None = None

    @classmethod
    def of(cls, container: str, blob: BlobProperties, filename: str | None = None, sha256: str | None = None) -> Source:
        """The blob in its present version, called by the last part of its name unless ``filename`` says otherwise."""
        return cls(
            container=container, name=blob.name, etag=blob.etag, size_bytes=blob.size_bytes,
            filename=filename or blob.name.rpartition("/")[2], sha256=sha256,
        )  # fmt: skip
