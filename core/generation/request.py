"""What a client asks for when it wants stems generated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from core.errors import FieldError, InvalidRequest
from core.files.inputs import StoredFile
from core.jobs.request import JobRequest
from core.theory.chords import parse_chord, symbol_parts
from core.theory.fields import KeyName, chord_list
from core.theory.keys import parse_key
from core.theory.notation import ProgressionError, check_chord, parse_progression
from core.validation import NO_DUPLICATES, NOT_EMPTY, Between, Identifier, ModelName, at_most, default, words

StemType = Literal["drums", "bass", "guitar", "vocals", "piano", "synth", "other"]

DEFAULT_CHORDS = ("C", "G", "Am", "F")
_MOST_CHORDS = 256
SAMPLE_RATES = (16000, 22050, 24000, 32000, 44100, 48000, 96000)
"""Of the files that are made, in Hz."""


def _symbol(symbol: str) -> str:
    parse_chord(symbol)
    return symbol


def _chord(entry: str) -> str:
    check_chord(entry)
    return entry


def _offered(sample_rate: int) -> int:
    if sample_rate not in SAMPLE_RATES:
        raise ValueError(f"must be one of {', '.join(map(str, SAMPLE_RATES))} Hz, not {sample_rate}")
    return sample_rate


Stems = Annotated[tuple[StemType, ...], *at_most(16), BeforeValidator(words), *NOT_EMPTY, *NO_DUPLICATES]
Symbols = Annotated[
    tuple[Annotated[str, AfterValidator(_symbol)], ...], *at_most(_MOST_CHORDS), BeforeValidator(words), *NOT_EMPTY
]
Chords = Annotated[
    tuple[Annotated[str, AfterValidator(_chord)], ...], *at_most(_MOST_CHORDS), BeforeValidator(chord_list), *NOT_EMPTY
]
"""In any notation: symbols, Nashville numbers, roman numerals."""
SampleRate = Annotated[int, AfterValidator(_offered), Field(json_schema_extra={"enum": list(SAMPLE_RATES)})]


class SeedParameters(BaseModel):
    """How the stems should sound, as far as the first generation service knew; everything may be left out."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    target_bpm: Annotated[float, Between(30, 300, "beats a minute"), default(120.0)] = 120.0
    duration_seconds: Annotated[float, Between(0.5, 600, "seconds"), default(30.0)] = 30.0
    style: Annotated[str, Field(max_length=100), default("pop")] = Field(
        "pop", description="rock, pop, jazz, electronic or ballad have patterns of their own; any other text is allowed"
    )
    chord_progression: Annotated[Symbols, default(DEFAULT_CHORDS)] = Field(
        DEFAULT_CHORDS, description="One chord a bar of 4/4, repeated to the end, such as C, Am7, F#m, Gsus4 or D/F#"
    )
    prompt: Annotated[str, Field(max_length=1000), default("")] = Field(
        "", description="What it should sound like, in words; for engines that are steered by text"
    )
    temperature: Annotated[float, Between(0, 2, "(0 is the plain pattern)"), default(1.0)] = 1.0
    random_seed: Annotated[int, Between(-(2**53), 2**53, "")] | None = Field(
        None, description="The same request and seed give the same bytes; without one, one is drawn and returned"
    )


class GenerationParameters(SeedParameters):
    """How the stems should sound and be delivered. GET /v1/engines says which of it a model understands."""

    chord_progression: Annotated[Chords, default(DEFAULT_CHORDS)] = Field(
        DEFAULT_CHORDS,
        description="One chord a bar of 4/4, repeated to the end: symbols such as C, Am7, F#m, Gsus4 or D/F#, or with "
        "a key Nashville numbers or roman numerals; the job has them as symbols",
    )
    key: KeyName | None = Field(
        None,
        description="What numbers and numerals are read in, such as C or F#m",
        exclude_if=lambda key: key is None,  # what was asked for without one is stored, and told apart, as ever
    )
    negative_prompt: Annotated[str, Field(max_length=1000), default("")] = Field(
        "", description="What it should not sound like"
    )
    guidance_scale: Annotated[float, Between(1, 20, "(1 is no guidance)")] | None = Field(
        None, description="How closely to follow the prompt; the model's own if left out"
    )
    top_k: Annotated[int, Between(0, 2048, "tokens")] | None = Field(
        None, description="Draw from so many of the likeliest tokens alone, 0 for all; the model's own if left out"
    )
    top_p: Annotated[float, Between(0, 1, ""), default(0.0)] = Field(
        0.0, description="Draw from the likeliest tokens alone that come to this probability; 0 leaves it to top_k"
    )
    steps: Annotated[int, Between(10, 500, "steps")] | None = Field(
        None, description="Of a diffusion model; the model's own if left out"
    )
    sample_rate: Annotated[SampleRate, default(44100)] = Field(44100, description="Of the files, in Hz")
    channels: Annotated[int, Between(1, 2, "channels"), default(2)] = Field(2, description="Of the files")
    loudness_lufs: Annotated[float, Between(-40, -5, "LUFS")] | None = Field(
        None,
        description="Of each file, by one gain, as far as a true peak of -1 dBTP allows; if left out, -16 for models "
        "with weights, while the others' largest sample becomes 0.8 of full scale",
    )

    def symbols(self) -> tuple[str, ...]:
        """The chords as engines know them: symbols as they were written, numbers and numerals as the key's symbols.

        Raises ``InvalidRequest`` with a pointer to each that needs a key where there is none.
        """
        try:
            chords = parse_progression(self.chord_progression, parse_key(self.key) if self.key else None)
        except ProgressionError as error:
            faults = error.below("/parameters/chord_progression")
            raise InvalidRequest([FieldError(*fault) for fault in faults]) from None
        entries = zip(self.chord_progression, chords, strict=True)
        return tuple(entry if symbol_parts(entry) else chord.symbol for entry, chord in entries)


_NO_PARAMETERS = GenerationParameters()
_NO_SEED_PARAMETERS = SeedParameters()


_EXAMPLE: JsonDict = {
    "target_stems": ["guitar", "bass", "drums"],
    "parameters": {
        "target_bpm": 120,
        "duration_seconds": 10,
        "style": "rock",
        "chord_progression": ["C", "G", "Am", "F"],
    },
}
_MODEL_EXAMPLE: JsonDict = {
    "target_stems": ["synth", "drums"],
    "engine": "musicgen",
    "model": "melody",
    "use": "research",
    "preview": True,
    "parameters": {"prompt": "dreamy and slow", "duration_seconds": 30, "guidance_scale": 3, "top_k": 250},
    "melody": {"job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe", "file": "piano.wav"},
}


class GenerationOptions(JobRequest):
    """A request for generated stems, but for the audio that it brings along."""

    target_stems: Stems
    model: ModelName | None = Field(
        None, description="Which of the engine's models: GET /v1/engines lists them; an operator may have more"
    )
    preview: bool = Field(False, description="Also store parts of 2 s while sampling goes on; the job's previews")
    parameters: Annotated[GenerationParameters, default(_NO_PARAMETERS)] = _NO_PARAMETERS


class GenerationRequest(GenerationOptions):
    """The JSON body of ``POST /v1/generations``: the audio that it brings along is in storage already."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE, _MODEL_EXAMPLE]})

    audio_prompt: StoredFile | None = Field(None, description="What the stems go on from; its last 10 s count")
    melody: StoredFile | None = Field(None, description="What the stems' melody follows, from its beginning")

    def options(self) -> GenerationOptions:
        """All but the audio."""
        return GenerationOptions.model_validate(self.model_dump(exclude={"audio_prompt", "melody"}))


class SeedGenerationRequest(BaseModel):
    """The body of ``POST /generate``; what it does not know it passes over, as the first service did."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    generation_request_id: Identifier
    audio_file_id: Identifier
    target_stems: Stems
    parameters: Annotated[SeedParameters, default(_NO_SEED_PARAMETERS)] = _NO_SEED_PARAMETERS
    callback_url: Annotated[str, Field(max_length=2000)] | None = None

    def modern(self) -> GenerationRequest:
        """The same request in the terms of ``/v1``."""
        return GenerationRequest(
            target_stems=self.target_stems,
            parameters=GenerationParameters(**self.parameters.model_dump()),
            audio_file_id=self.audio_file_id,
            callback_url=self.callback_url or None,
        )
