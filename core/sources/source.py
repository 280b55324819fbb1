"""A file that a job works on."""

from __future__ import annotations

from core.jobs.model import Model

UPLOADS = "uploads"
"""The container of the files that come in through the API."""


class Source(Model):
    """A blob, in the very version that was accepted.

    Attributes:
        filename: what the client calls it; its extension is held against what it contains.
    """

    container: str
    name: str
    etag: str
    size_bytes: int
    filename: str
