"""Direct uploads: the file goes from the client to storage and never passes through a function.

The client gets an address that takes writes alone, sends the file in one piece or in blocks, and says when it is done.
Then the bytes are counted, hashed and looked into, and what passed is pinned to the blob's ETag. All rows lie in one
partition: ``upload:<id>`` holds an upload, ``due:<time>:<id>`` places it by the time it expires.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO

from core.errors import (
    FieldError,
    InvalidRequest,
    RowChanged,
    RowExists,
    RowNotFound,
    SourceChanged,
    SourceNotFound,
    UploadIncomplete,
    UploadNotFound,
)
from core.files.reader import BlobReader
from core.files.source import UPLOADS, Source
from core.files.upload import NewUpload, Received, Upload, UploadedAudio, UploadStatus
from core.ports import BlobProperties, Blobs, Clock, Insert, Remove, Replace, Table
from core.settings import Settings

if TYPE_CHECKING:  # decoders are not worth their import time in a process that only answers HTTP
    from core.audio.stream import AudioInfo

_PARTITION = "uploads"


@dataclass(frozen=True)
class Uploads:
    """The uploads: rows in a table, files in a container of their own.

    ``probe(file, filename)`` says what a file holds, or raises an ``AudioError``.
    """

    table: Table
    blobs: Blobs
    probe: Callable[[BinaryIO, str], AudioInfo]
    clock: Clock
    new_id: Callable[[], str]
    settings: Settings

    def create(self, new: NewUpload) -> Upload:
        """Begin an upload. Raises ``InvalidRequest`` if the file is too large."""
        if new.size_bytes > self.settings.max_upload_bytes:
            detail = f"must be at most {self.settings.max_upload_bytes} (MAX_UPLOAD_BYTES), not {new.size_bytes}"
            raise InvalidRequest([FieldError("/size_bytes", detail)])
        upload = self._new(self.new_id(), new.filename, new.size_bytes, self.settings.retention_seconds)
        return self._insert(upload.evolve(sha256=new.sha256))

    def reserve(self, upload_id: str, filename: str, size_bytes: int, seconds: float) -> Upload:
        """A place, for ``seconds``, for a file that came with a request. The same id gives the same place."""
        upload = self._new(upload_id, filename, size_bytes, seconds).evolve(status=UploadStatus.RESERVED)
        try:
            return self._insert(upload)
        except RowExists:
            return self._read(upload_id)

    def get(self, upload_id: str) -> Upload:
        """Read an upload. Raises ``UploadNotFound``, also for one that was removed or has expired."""
        with suppress(RowNotFound):
            upload = self._read(upload_id)
            if upload.status in (UploadStatus.OPEN, UploadStatus.COMPLETE) and self.clock() < upload.expires_at:
                return upload
        raise UploadNotFound(f"there is no upload {upload_id!r}, or it has expired")

    def address(self, upload: Upload) -> tuple[str, datetime]:
        """A fresh address that takes the file, and until when it does."""
        expires_at = min(self.clock() + timedelta(seconds=self.settings.upload_seconds), upload.expires_at)
        return self.blobs.signed_upload_url(UPLOADS, upload.blob, expires_at=expires_at), expires_at

    def received(self, upload: Upload) -> Received:
        """What has arrived; the client's address cannot ask for it, and needs it to go on after a break."""
        properties = self.blobs.properties(UPLOADS, upload.blob)
        return Received(self.blobs.staged(UPLOADS, upload.blob), properties.size_bytes if properties else None)

    def complete(self, upload_id: str, sha256: str | None = None) -> Upload:
        """Accept the file; repeating it gives the same answer, as long as the file stays the same.

        Raises ``UploadNotFound``; ``UploadIncomplete`` if other bytes came than were announced; an ``AudioError`` if
        they hold no audio that can be used; ``SourceChanged`` if the file was written again.
        """
        upload = self.get(upload_id)
        properties = self.blobs.properties(UPLOADS, upload.blob)
        if upload.status is UploadStatus.COMPLETE:
            _check_unchanged(upload, properties)
            _check_digest(upload.sha256, sha256)
            return upload
        if properties is None or properties.size_bytes != upload.size_bytes:
            raise UploadIncomplete(self._what_is_missing(upload))
        completed = self._examined(upload.evolve(etag=properties.etag), sha256)
        try:
            return self._replace(completed)
        except RowChanged:  # by another call like this one, or by a removal
            return self.complete(upload_id, sha256)

    def source(self, upload_id: str) -> Source:
        """The file, for a job. Raises ``UploadNotFound``, or ``UploadIncomplete`` before it was completed."""
        upload = self.get(upload_id)
        if upload.status is not UploadStatus.COMPLETE:
            raise UploadIncomplete(
                f"upload {upload_id!r} has not been completed: POST /v1/uploads/{upload_id}/complete"
            )
        return _source(upload)

    def remove(self, upload_id: str) -> None:
        """Delete the file. Raises ``UploadNotFound``.

        Addresses that were handed out go on taking writes, so what they may bring is removed when it expires.
        """
        try:
            self._discard(self._replace(self.get(upload_id).evolve(status=UploadStatus.REMOVED)))
        except RowChanged:
            self.remove(upload_id)

    def expire(self) -> int:
        """Remove the uploads that are past their time; returns how many."""
        due = self.table.scan(_PARTITION, "due:", f"due:{_milliseconds(self.clock()) + 1:014}", 1000)
        for row in due:
            upload_id = row.key.rpartition(":")[2]
            with suppress(RowNotFound):  # another timer was faster
                self._discard(self._read(upload_id))  # the rows last: whoever dies in between is followed by another
                self.table.commit(_PARTITION, Remove(row.key), Remove(_key(upload_id)))
        return len(due)

    def _new(self, upload_id: str, filename: str, size_bytes: int, seconds: float) -> Upload:
        now = self.clock()
        return Upload(
            upload_id=upload_id,
            filename=filename,
            size_bytes=size_bytes,
            created_at=now,
            expires_at=now + timedelta(seconds=seconds),
        )

    def _insert(self, upload: Upload) -> Upload:
        row = Insert(_key(upload.upload_id), upload.model_dump_json())
        return upload.evolve(row_etag=self.table.commit(_PARTITION, row, Insert(_due_key(upload), ""))[0])

    def _read(self, upload_id: str) -> Upload:
        row = self.table.get(_PARTITION, _key(upload_id))
        return Upload.model_validate_json(row.document).evolve(row_etag=row.etag)

    def _replace(self, upload: Upload) -> Upload:
        """Store a newer state of what was read. Raises ``RowChanged``, or ``UploadNotFound`` if it has expired."""
        row = Replace(_key(upload.upload_id), upload.model_dump_json(), upload.row_etag)
        try:
            return upload.evolve(row_etag=self.table.commit(_PARTITION, row)[0])
        except RowNotFound:
            raise UploadNotFound(f"upload {upload.upload_id!r} has expired") from None

    def _examined(self, upload: Upload, sha256: str | None) -> Upload:
        """The upload, complete, if its bytes are the announced ones and hold audio."""
        with BlobReader(self.blobs, _source(upload)) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            _check_digest(digest, upload.sha256, sha256)
            file.seek(0)
            audio = UploadedAudio.model_validate(self.probe(file, upload.filename))
        return upload.evolve(status=UploadStatus.COMPLETE, sha256=digest, audio=audio)

    def _what_is_missing(self, upload: Upload) -> str:
        received = self.received(upload)
        if received.committed_bytes is not None:
            return f"{upload.filename}: {received.committed_bytes} bytes arrived, {upload.size_bytes} were announced"
        if received.blocks:
            return (
                f"{upload.filename}: {len(received.blocks)} blocks with {received.staged_bytes} of {upload.size_bytes}"
                " bytes arrived and were not committed: send the list of blocks (Put Block List), then complete it"
            )
        return f"{upload.filename}: nothing of its {upload.size_bytes} bytes has arrived"

    def _discard(self, upload: Upload) -> None:
        self.blobs.commit(UPLOADS, upload.blob, [], content_type="", metadata={})  # drops what was only staged
        self.blobs.remove_all(UPLOADS, upload.folder)


def _source(upload: Upload) -> Source:
    return Source(
        container=UPLOADS,
        name=upload.blob,
        etag=upload.etag or "",
        size_bytes=upload.size_bytes,
        filename=upload.filename,
        sha256=upload.sha256,
    )


def _check_unchanged(upload: Upload, properties: BlobProperties | None) -> None:
    if properties is None:
        raise SourceNotFound(f"the file of upload {upload.upload_id!r} was removed; start a new upload")
    if properties.etag != upload.etag:
        raise SourceChanged(f"{upload.filename} was overwritten after it was completed; start a new upload")


def _check_digest(digest: str | None, *expected: str | None) -> None:
    for value in expected:
        if value not in (None, digest):
            raise UploadIncomplete(f"the bytes that arrived have the SHA-256 {digest}, not {value}")


def _key(upload_id: str) -> str:
    return f"upload:{upload_id}"


def _due_key(upload: Upload) -> str:
    return f"due:{_milliseconds(upload.expires_at):014}:{upload.upload_id}"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
