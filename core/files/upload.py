"""A file on its way from a client to storage, or arrived there.

::

    open ── complete ──▶ complete ──▶ expired
      │                     │
      └────── remove ───────┴──▶ removed ──▶ expired
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from core.jobs.model import Model
from core.ports import StagedBlock

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True)]
"""A SHA-256 in hexadecimal."""


class UploadStatus(StrEnum):
    """Where an upload stands."""

    OPEN = "open"  # its address takes writes
    COMPLETE = "complete"  # the file is whole, and audio
    RESERVED = "reserved"  # for a file that came with a request: its job's alone, and of no concern to clients
    REMOVED = "removed"  # by the client; the row stays as long as an address may still bring bytes


class NewUpload(BaseModel):
    """What the client wants to send."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filename: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=255)] = Field(
        description="What the file is called; its extension says which format it holds", examples=["song.flac"]
    )
    size_bytes: Annotated[int, Field(gt=0, description="Its exact size", examples=[31_457_280])]
    sha256: Sha256 | None = Field(None, description="Of the whole file, in hexadecimal; checked when it has arrived")


class UploadedAudio(Model):
    """What the file holds; ``sample_rate`` in Hz."""

    model_config = ConfigDict(from_attributes=True)

    container: str
    codec: str
    sample_rate: int
    channels: int
    duration_seconds: float | None


class Upload(Model):
    """A file on its way in, or arrived.

    Attributes:
        sha256: what the client announced, if it did; once complete, what the bytes have.
        expires_at: when the file is removed, however far it has come.
        etag: the blob's, in the version that was completed.
        row_etag: the version in storage that this was read from; not part of the document.
    """

    upload_id: str
    filename: str
    size_bytes: int
    sha256: str | None = None
    status: UploadStatus = UploadStatus.OPEN
    created_at: datetime
    expires_at: datetime
    etag: str | None = None
    audio: UploadedAudio | None = None
    row_etag: str = Field(default="", exclude=True)

    @property
    def folder(self) -> str:
        """Where its blob lies in the container ``uploads``, ending in a slash; nothing else lies there."""
        return f"{self.upload_id}/"

    @property
    def blob(self) -> str:
        """The blob's name: the file's, with what could trouble a URL replaced."""
        return self.folder + (re.sub(r"[^A-Za-z0-9._-]+", "-", self.filename).strip(".-")[-100:] or "file")


@dataclass(frozen=True)
class Received:
    """What has arrived of an upload.

    Attributes:
        blocks: those that were sent and not committed.
        committed_bytes: the size of the blob; ``None`` while there is none.
    """

    blocks: list[StagedBlock]
    committed_bytes: int | None

    @property
    def staged_bytes(self) -> int:
        """The blocks' size together."""
        return sum(block.size_bytes for block in self.blocks)
