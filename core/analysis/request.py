"""What a client asks for when it wants to know what is heard in a file."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from core.audio.formats import NamedFormat
from core.jobs.request import JobRequest
from core.validation import Identifier

_EXAMPLE: JsonDict = {"job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe"}
_FILE_EXAMPLE: JsonDict = {"job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe", "file": "guitar.wav"}


class AnalysisOptions(JobRequest):
    """How to analyse, wherever the audio comes from."""

    click_format: NamedFormat = Field("flac", description="Of the click track: wav16, wav24, flac, mp3, ogg or m4a")


class AnalysisRequest(AnalysisOptions):
    """The JSON body of ``POST /v1/analyses``: the audio is in storage already."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE, _FILE_EXAMPLE]})

    upload_id: Identifier | None = Field(None, description="A completed upload (POST /v1/uploads)")
    blob: Annotated[str, Field(max_length=1100)] | None = Field(None, description="A blob, as container/name")
    job_id: Identifier | None = Field(
        None, description="A completed job: file says which of its files; without one, all of its stems together"
    )
    file: Annotated[str, Field(max_length=200)] | None = Field(None, description="One of the job's outputs, by name")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.file is not None and self.job_id is None:
            raise ValueError("file is one of a job's files: send its job_id as well")
        if sum(place is not None for place in (self.upload_id, self.blob, self.job_id)) != 1:
            raise ValueError("name one of upload_id, blob or job_id, or send the file of a multipart form")
        return self

    def options(self) -> AnalysisOptions:
        """All but where the audio is."""
        return AnalysisOptions.model_validate(self.model_dump(exclude={"upload_id", "blob", "job_id", "file"}))
