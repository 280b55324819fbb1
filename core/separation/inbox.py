"""The inbox: a file that is dropped into the container ``inbox`` is separated, and told so in its own metadata.

Its options come as metadata, too: any field of ``SeparationOptions``; other keys are passed over. The same event may
come twice, and writing to the metadata is an event again: a job's id is made of the file's name and version, and a file
that names its job is not taken a second time.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from urllib.parse import quote

from pydantic import ValidationError

from core.errors import FieldError, InvalidRequest, RequestError
from core.files.notes import ERROR, JOB_ID, RESULT_URL, STATUS, present_version, write_note
from core.files.source import Source
from core.jobs.model import Job, JobStatus
from core.jobs.service import JobService
from core.jobs.view import job_path
from core.ports import BlobProperties, Blobs
from core.separation.request import SeparationOptions
from core.separation.service import Separations

INBOX = "inbox"
"""The container."""

_NAMESPACE = uuid.UUID("6f9b1d5e-0c57-4d38-9a39-3d5b7c1f2a10")  # any constant would do: it keeps our ids to ourselves
_LONGEST_ERROR = 500  # all metadata of a blob together hold 8 KiB


def inbox_job_id(name: str, etag: str) -> str:
    """The id of the job for one version of a file in the inbox."""
    return str(uuid.uuid5(_NAMESPACE, f"{name}\n{etag.strip(chr(34))}"))


@dataclass(frozen=True)
class Inbox:
    """Takes the files in."""

    blobs: Blobs
    separations: Separations
    jobs: JobService

    def receive(self, name: str) -> Job | None:
        """Submit the job for a file, or write into its metadata why there is none."""
        found = self.blobs.properties(INBOX, name)
        if found is None or STATUS in found.metadata:
            return None
        source = Source.of(INBOX, found)
        try:
            options = _options(found)
            job = self.separations.of_inbox(options, source, job_id=inbox_job_id(name, found.etag))
        except RequestError as error:
            write_note(self.blobs, source, {STATUS: "refused", ERROR: _ascii(error.detail)})
            return None
        return self.jobs.submit(job)


@dataclass(frozen=True)
class InboxAnnouncer:
    """An ``Announcer`` that writes what became of a file into its metadata."""

    blobs: Blobs
    public_url: str

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Write status and result of a job that has ended and came from the inbox."""
        source = Source.model_validate(job.request["source"]) if "source" in job.request else None
        if source is None or not job.status.ended or job.job_id != inbox_job_id(source.name, source.etag):
            return
        note = {
            STATUS: job.status.value,
            JOB_ID: job.job_id,
            RESULT_URL: f"{self.public_url.rstrip('/')}{job_path(job.job_id)}",
        }
        if job.status is JobStatus.FAILED and job.error:
            note[ERROR] = _ascii(job.error.detail)
        write_note(self.blobs, present_version(self.blobs, source, job.job_id), note)


def _options(found: BlobProperties) -> SeparationOptions:
    given = {
        key.lower(): value for key, value in found.metadata.items() if key.lower() in SeparationOptions.model_fields
    }
    try:
        return SeparationOptions.model_validate(given)
    except ValidationError as error:
        fields = [FieldError("/".join(map(str, entry["loc"])), entry["msg"]) for entry in error.errors()]
        raise InvalidRequest(fields) from None


def _ascii(text: str) -> str:
    """Metadata are HTTP headers: what they cannot hold is percent-encoded."""
    return quote(text, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")[:_LONGEST_ERROR]
