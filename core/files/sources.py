"""Where the files that jobs work on come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from core.errors import FieldError, InvalidRequest, SourceNotFound
from core.files.reader import BlobReader
from core.files.source import UPLOADS, Source
from core.files.uploads import Uploads
from core.jobs.model import AUDIO_FILES, Job, Output
from core.ports import Blobs
from core.settings import Settings

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo

Probe = Callable[[BinaryIO, str], "AudioInfo"]
"""Says what an open file of this name holds, or raises an ``AudioError``."""

_PIECE_BYTES = 2**20


def audio_probe(longest_seconds: float) -> Probe:
    """The probe that refuses what is longer than ``longest_seconds``."""

    def probe(file: BinaryIO, filename: str) -> AudioInfo:
        # brings the codecs, which a process that takes in no audio need not load
        from core.audio import decode

        file.seek(0)
        return decode.probe(file, filename, longest_seconds)

    return probe


@dataclass(frozen=True)
class Sources:
    """Finds, keeps and looks at files."""

    blobs: Blobs
    uploads: Uploads
    probe: Probe
    settings: Settings

    def upload(self, upload_id: str) -> Source:
        """A completed upload. Raises ``UploadNotFound`` or ``UploadIncomplete``."""
        return self.uploads.source(upload_id)

    def blob(self, reference: str, pointer: str = "/blob") -> Source:
        """A blob, named as ``container/name`` in the field ``pointer``.

        Raises ``InvalidRequest`` or ``SourceNotFound``.
        """
        container, _, name = reference.partition("/")
        allowed = self.settings.source_containers
        if container not in allowed or {"", ".", ".."} & set(re.split(r"[/\\]", name)):  # HTTP would resolve the dots
            detail = f"must be container/name without . or .. in it, in one of the containers {', '.join(allowed)}"
            raise InvalidRequest([FieldError(pointer, detail)])
        found = self.blobs.properties(container, name)
        if found is None:
            raise SourceNotFound(f"there is no blob {name!r} in the container {container}")
        return Source.of(container, found)

    def output(self, job: Job, output: Output) -> Source:
        """What a job made. Raises ``SourceNotFound``."""
        found = self.blobs.properties(AUDIO_FILES, job.folder + output.name)
        if found is None:
            raise SourceNotFound(f"{output.name} of job {job.job_id} was removed")
        return Source.of(AUDIO_FILES, found, sha256=output.sha256)

    def keep(
        self, file: BinaryIO, filename: str, sha256: str, *, job_id: str, seconds: float, role: str = ""
    ) -> Source:
        """Store a file that came with a request, for ``seconds`` at most; it goes with its job if that goes before.

        A request may bring several, each in a ``role`` of its own. Storing the same file again finds it there: its
        version stays the one that the first request's job has.
        """
        size_bytes = file.seek(0, 2)
        reserved = self.uploads.reserve(job_id, filename, size_bytes, seconds)
        name = reserved.folder + role if role else reserved.blob
        stored = self.blobs.properties(UPLOADS, name)
        if stored is None or stored.metadata.get("sha256") != sha256:
            self.blobs.write(
                UPLOADS, name, lambda: _pieces(file), size_bytes=size_bytes, content_type="application/octet-stream",
                metadata={"sha256": sha256},
            )  # fmt: skip
            stored = self.blobs.properties(UPLOADS, name)
        if stored is None:
            raise SourceNotFound(f"{filename} was removed while it was stored")
        return Source.of(UPLOADS, stored, filename, sha256)

    def look_at(self, source: Source) -> AudioInfo:
        """What a stored file holds. Raises ``AudioError``, ``SourceChanged`` or ``SourceNotFound``."""
        with BlobReader(self.blobs, source) as file:
            return self.probe(file, source.filename)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece
