"""What we write into the metadata of a client's own file, and how that version is still told to be the same file.

Writing metadata changes a blob's version (its etag), though not its content. The write is conditional, so a file that
names a job in its note has the content that this job was made for.
"""

from __future__ import annotations

from contextlib import suppress

from core.errors import BlobChanged, BlobNotFound
from core.files.source import Source
from core.ports import Blobs

STATUS, JOB_ID, RESULT_URL, ERROR = "stemworks_status", "stemworks_job_id", "stemworks_result_url", "stemworks_error"
"""The keys; a blob's metadata may be read by anybody who may read the blob."""


def present_version(blobs: Blobs, source: Source, job_id: str) -> Source:
    """``source`` as it is now, if nothing but a note of this job was written to it since; else as it was."""
    found = blobs.properties(source.container, source.name)
    if found is not None and found.metadata.get(JOB_ID) == job_id:
        return source.evolve(etag=found.etag)
    return source


def write_note(blobs: Blobs, source: Source, note: dict[str, str]) -> None:
    """Add ``note`` to the file's metadata; a file that is gone, or another one by now, is left alone."""
    found = blobs.properties(source.container, source.name)
    if found is None or found.etag != source.etag:
        return
    kept = {key: value for key, value in found.metadata.items() if key not in (STATUS, JOB_ID, RESULT_URL, ERROR)}
    with suppress(BlobChanged, BlobNotFound):
        blobs.set_metadata(source.container, source.name, kept | note, source.etag)
