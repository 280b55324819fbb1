"""What a client asks for when it wants a song separated."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from core.audio.formats import NamedFormat
from core.jobs.request import JobRequest
from core.validation import NO_DUPLICATES, NOT_EMPTY, Between, Identifier, at_most, words

Stems = Annotated[tuple[Identifier, ...], *at_most(32), BeforeValidator(words), *NOT_EMPTY, *NO_DUPLICATES]

_EXAMPLE: JsonDict = {"blob": "inbox/song.mp3", "engine": "spectral", "stems": ["vocals", "drums"], "format": "flac"}


class SeparationOptions(JobRequest):
    """How to separate, wherever the song comes from."""

    model: Identifier | None = Field(None, description="Which of the engine's models; GET /v1/engines lists them")
    stems: Stems | None = Field(None, description="The stems to deliver; all that the model tells apart if left out")
    two_stems: Identifier | None = Field(None, description="This stem and the rest of the song, as no_<stem>")
    format: NamedFormat = Field("wav16", description="wav16, wav24, wav_float, flac, mp3, ogg or m4a")
    residual: bool = Field(False, description="Deliver what is left of the song when all stems are taken from it, too")
    peaks: bool = Field(True, description="Deliver the waveform of each stem for a player, as JSON")
    shifts: Annotated[int, Between(0, 10, "passes")] = Field(
        0, description="demucs: average as many randomly shifted passes; each costs as much as all without"
    )
    overlap: Annotated[float, Between(0, 0.5, "of a segment")] = Field(
        0.25, description="demucs: how much of a segment the next one repeats"
    )
    random_seed: Annotated[int, Between(0, 2**53, "")] | None = Field(None, description="Draws the shifts")

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if self.stems and self.two_stems:
            raise ValueError("stems and two_stems exclude each other")
        return self


class SeparationRequest(SeparationOptions):
    """The JSON body of ``POST /v1/separations``: the song is in storage already."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    upload_id: Identifier | None = Field(None, description="A completed upload (POST /v1/uploads)")
    blob: Annotated[str, Field(max_length=1100)] | None = Field(None, description="A blob, as container/name")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.upload_id is None) == (self.blob is None):
            raise ValueError("name either upload_id or blob, or send the song as the file of a multipart form")
        return self

    def options(self) -> SeparationOptions:
        """All but where the song is."""
        return SeparationOptions.model_validate(self.model_dump(exclude={"upload_id", "blob"}))
