"""What a client asks for when it wants music to go with its own, or with its chords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from core.audio.formats import NamedFormat
from core.errors import FieldError, InvalidRequest
from core.generation.request import Stems, StemType
from core.jobs.request import JobRequest
from core.theory.fields import Chords, KeyName
from core.theory.keys import parse_key
from core.theory.notation import ProgressionError, parse_progression
from core.validation import Between, Identifier, ModelName, default

DEFAULT_STEMS: tuple[StemType, ...] = ("drums", "bass", "piano")
"""The rhythm section: the beat, the roots, and the chords."""
LONGEST_CHORDS_SECONDS = 3600
"""Of what is made from chords alone; to audio, it is as long as that."""

_PLACES = ("upload_id", "blob", "job_id", "file")
_WITH_CHORDS = ("tempo_bpm", "beats_per_bar", "bars", "duration_seconds", "key")

_AUDIO_EXAMPLE: JsonDict = {
    "job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe",
    "file": "guitar.wav",
    "target_stems": ["drums", "bass"],
    "style": "rock",
}
_CHORDS_EXAMPLE: JsonDict = {"chords": ["ii7", "V7", "Imaj7", "vi"], "key": "C", "tempo_bpm": 96, "bars": 16}


class AccompanimentOptions(JobRequest):
    """How to accompany, whatever it is."""

    target_stems: Annotated[Stems, default(DEFAULT_STEMS)] = DEFAULT_STEMS
    model: ModelName | None = Field(
        None, description="Which of the engine's models; to audio, one that follows a melody if left out"
    )
    style: Annotated[str, Field(max_length=100), default("pop")] = Field(
        "pop", description="rock, pop, jazz, electronic or ballad have patterns of their own; any other text is allowed"
    )
    prompt: Annotated[str, Field(max_length=1000), default("")] = Field(
        "", description="What it should sound like, in words; for engines that are steered by text"
    )
    temperature: Annotated[float, Between(0, 2, "(0 is the plain pattern)"), default(0.5)] = 0.5
    random_seed: Annotated[int, Between(-(2**53), 2**53, "")] | None = Field(
        None, description="The same request and seed give the same bytes; without one, one is drawn and returned"
    )
    balance_db: Annotated[float, Between(-24, 12, "dB"), default(-3.0)] = Field(
        -3.0, description="How much louder all stems together are than the audio that they go with; -16 LUFS without"
    )
    mix: bool | None = Field(None, description="Also deliver everything together; to audio it is, unless false")
    format: NamedFormat = Field("wav16", description="wav16, wav24, wav_float, flac, mp3, ogg or m4a")


class AccompanimentRequest(AccompanimentOptions):
    """The JSON body of ``POST /v1/accompaniments``: audio that is in storage already, or chords."""

    model_config = ConfigDict(json_schema_extra={"examples": [_AUDIO_EXAMPLE, _CHORDS_EXAMPLE]})

    upload_id: Identifier | None = Field(None, description="A completed upload (POST /v1/uploads)")
    blob: Annotated[str, Field(max_length=1100)] | None = Field(None, description="A blob, as container/name")
    job_id: Identifier | None = Field(None, description="A completed job; file says which of its files")
    file: Annotated[str, Field(max_length=200)] | None = Field(None, description="One of the job's outputs, by name")
    chords: Chords | None = Field(
        None, description="One a bar, repeated to the end: symbols, or with a key Nashville numbers or roman numerals"
    )
    key: KeyName | None = Field(None, description="What numbers and numerals are read in, such as C or F#m")
    tempo_bpm: Annotated[float, Between(30, 300, "beats a minute")] | None = Field(None, description="Of the chords")
    beats_per_bar: Annotated[int, Between(2, 7, "beats")] | None = Field(None, description="Of the chords; 4 usually")
    bars: Annotated[int, Between(1, 2000, "bars")] | None = Field(
        None, description="How many are played; as many as there are chords if left out"
    )
    duration_seconds: Annotated[float, Between(0.5, LONGEST_CHORDS_SECONDS, "seconds")] | None = Field(
        None, description="In place of bars; it may end within one"
    )

    def options(self) -> AccompanimentOptions:
        """All but what is to be accompanied."""
        return AccompanimentOptions.model_validate(self.model_dump(include=set(AccompanimentOptions.model_fields)))

    def check_origin(self) -> None:
        """Raise ``InvalidRequest`` unless it names one thing to accompany, and nothing that does not go with it."""
        errors = [*(self._chords_errors() if self.chords is not None else self._audio_errors())]
        if errors:
            raise InvalidRequest(errors)

    def symbols(self) -> tuple[str, ...]:
        """The chords as symbols. Raises ``InvalidRequest`` with a pointer to each that is none."""
        try:
            chords = parse_progression(self.chords or (), parse_key(self.key) if self.key else None)
        except ProgressionError as error:
            raise InvalidRequest([FieldError(*fault) for fault in error.below("/chords")]) from None
        return tuple(chord.symbol for chord in chords)

    def _audio_errors(self) -> Iterator[FieldError]:
        if (self.job_id is None) != (self.file is None):
            yield FieldError("/file" if self.file is None else "/job_id", "job_id and file go together")
        elif sum(place is not None for place in (self.upload_id, self.blob, self.job_id)) != 1:
            detail = "send audio (upload_id, blob, job_id with file, or the file of a multipart form) or chords: one"
            yield FieldError("", detail)
        for name in self._given(_WITH_CHORDS):
            yield FieldError(f"/{name}", "goes with chords; from audio it is heard")

    def _chords_errors(self) -> Iterator[FieldError]:
        for name in self._given(_PLACES):
            yield FieldError(f"/{name}", "send either audio or chords: those of audio are heard")
        if self.tempo_bpm is None:
            yield FieldError("/tempo_bpm", "is required with chords")
        if self.bars is not None and self.duration_seconds is not None:
            yield FieldError("/duration_seconds", "send either bars or duration_seconds")

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]
