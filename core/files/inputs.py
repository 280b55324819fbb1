"""The audio that requests bring along, each file by a name of its own: sent with them, or in storage already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.errors import AudioError
from core.files.source import Source
from core.files.sources import Sources
from core.files.upload import UploadedAudio
from core.jobs.model import Model
from core.jobs.service import JobService
from core.validation import Identifier, fingerprint

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo


class StoredFile(BaseModel):
    """A file in storage: an upload, a blob, or what another job made."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    upload_id: Identifier | None = Field(None, description="A completed upload (POST /v1/uploads)")
    blob: Annotated[str, Field(max_length=1100)] | None = Field(None, description="A blob, as container/name")
    job_id: Identifier | None = Field(None, description="A completed job; file says which of its files")
    file: Annotated[str, Field(max_length=200)] | None = Field(None, description="One of the job's outputs, by name")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.job_id is None) != (self.file is None):
            raise ValueError("job_id and file go together")
        if sum(place is not None for place in (self.upload_id, self.blob, self.job_id)) != 1:
            raise ValueError("name one of upload_id, blob, or job_id with file")
        return self


@dataclass(frozen=True)
class SentFile:
    """A file that came with a request; ``sha256`` in hexadecimal."""

    file: BinaryIO
    filename: str
    sha256: str


class Input(Model):
    """A file that was looked at before the job was queued.

    Attributes:
        source: the very version that was accepted.
        longest_seconds: the most that was taken then; a file need not say how long it is.
    """

    source: Source
    audio: UploadedAudio
    longest_seconds: float


@contextmanager
def errors_of(name: str) -> Iterator[None]:
    """Has an ``AudioError`` say which of a request's files cannot be used: they may be called the same."""
    try:
        yield
    except AudioError as error:
        raise type(error)(f"{name}: {error.detail}") from error


@dataclass(frozen=True)
class Inputs:
    """Finds, looks at and keeps what requests bring along; the name of each is that of its field."""

    sources: Sources
    jobs: JobService

    def of_stored(self, files: Mapping[str, StoredFile]) -> dict[str, Input]:
        """What is in storage.

        Raises ``InvalidRequest``, ``SourceNotFound``, ``UploadNotFound``, ``UploadIncomplete``, ``JobNotFound``,
        ``FileNotFound``, ``FilesExpired`` or ``AudioError``.
        """
        found = {name: self._find(name, file) for name, file in files.items()}
        inputs = {}
        for name, source in found.items():
            with errors_of(name):
                inputs[name] = self._input(source, self.sources.look_at(source))
        return inputs

    def probed(self, files: Mapping[str, SentFile]) -> dict[str, AudioInfo]:
        """What the files of a form hold. Raises ``AudioError``."""
        probed = {}
        for name, sent in files.items():
            with errors_of(name):
                probed[name] = self.sources.probe(sent.file, sent.filename)
        return probed

    def kept(
        self, files: Mapping[str, SentFile], probed: Mapping[str, AudioInfo], *, job_id: str, seconds: float
    ) -> dict[str, Input]:
        """The files of a form, stored for ``seconds`` at most in the folder ``{job_id}/`` of the uploads."""
        return {
            name: self._input(
                self.sources.keep(sent.file, sent.filename, sent.sha256, job_id=job_id, seconds=seconds, role=name),
                probed[name],
            )
            for name, sent in files.items()
        }

    def _find(self, name: str, stored: StoredFile) -> Source:
        if stored.upload_id is not None:
            return self.sources.upload(stored.upload_id)
        if stored.blob is not None:
            return self.sources.blob(stored.blob, f"/{name}/blob")
        found = self.jobs.completed_output(stored.job_id or "", stored.file or "", f"/{name}/job_id")
        return self.sources.output(*found)

    def _input(self, source: Source, audio: AudioInfo) -> Input:
        return Input(
            source=source,
            audio=UploadedAudio.model_validate(audio),
            longest_seconds=self.sources.settings.longest_source_seconds,
        )


def form_fingerprint(options: BaseModel, files: Mapping[str, SentFile]) -> str:
    """What tells a form from others: its fields, and what its files hold."""
    return ":".join([fingerprint(options), *(f"{name}={files[name].sha256}" for name in sorted(files))])
