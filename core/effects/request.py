"""What a client asks for when it wants a file to sound different."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from core.audio.effects.request import EffectChain
from core.audio.formats import NamedFormat
from core.jobs.request import JobRequest
from core.validation import NOT_EMPTY, Between, Identifier

_EXAMPLE: JsonDict = {
    "job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe",
    "file": "guitar.wav",
    "effects": [
        {"type": "equalizer", "bands": [{"type": "low_shelf", "frequency_hz": 120, "gain_db": -3}]},
        {"type": "compressor", "threshold_db": -24, "ratio": 3},
        {"type": "reverb", "decay_seconds": 2.5, "mix": 0.2},
    ],
    "tail_seconds": 2.5,
}


class EffectsOptions(JobRequest):
    """What to do to a file, wherever it comes from."""

    effects: Annotated[EffectChain, *NOT_EMPTY] = Field(description="In the order in which they are applied")
    format: NamedFormat = Field("wav16", description="wav16, wav24, wav_float, flac, mp3, ogg or m4a")
    tail_seconds: Annotated[float, Between(0, 30, "seconds")] = Field(
        0.0, description="How much longer than the source the file is, for echoes and rooms to die away"
    )


class EffectsRequest(EffectsOptions):
    """The JSON body of ``POST /v1/effects``: the source is in storage already."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    upload_id: Identifier | None = Field(None, description="A completed upload (POST /v1/uploads)")
    blob: Annotated[str, Field(max_length=1100)] | None = Field(None, description="A blob, as container/name")
    job_id: Identifier | None = Field(None, description="A completed job; file says which of its files")
    file: Annotated[str, Field(max_length=200)] | None = Field(None, description="One of the job's outputs, by name")
    sample_id: Identifier | None = Field(None, description="A sound of the bank")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.job_id is None) != (self.file is None):
            raise ValueError("job_id and file go together")
        places = (self.upload_id, self.blob, self.job_id, self.sample_id)
        if sum(place is not None for place in places) != 1:
            raise ValueError(
                "name one of upload_id, blob, job_id with file, or sample_id, or send the file of a multipart form"
            )
        return self

    def options(self) -> EffectsOptions:
        """All but where the source is."""
        places = {"upload_id", "blob", "job_id", "file", "sample_id"}
        return EffectsOptions.model_validate(self.model_dump(exclude=places))
