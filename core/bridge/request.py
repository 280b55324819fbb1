"""What a client asks for when it wants tracks between two of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from core.audio.formats import HIGHEST_SAMPLE_RATE, LOWEST_SAMPLE_RATE, NamedFormat
from core.errors import FieldError, InvalidRequest
from core.files.inputs import StoredFile
from core.jobs.request import JobRequest
from core.validation import NOT_EMPTY, Between, ModelName, at_most, default, words

TRACKS = ("track1", "track2")
"""The names of the fields, and of the form's files."""
SHORTEST_SECONDS = 0.5
LONGEST_SECONDS = 3600.0
"""Of what is bridged."""
MOST_SECONDS = 2 * LONGEST_SECONDS
"""Of all new tracks together, each side of a stereo one by itself: they wait for their level in temporary files."""

_MOST_RATIOS = 8
_LATEST_SECONDS = 24 * 3600.0

_EXAMPLE: JsonDict = {
    "track1": {"job_id": "f9a46adc-2b75-4817-b239-b49c05eb8cbe", "file": "guitar.wav"},
    "track2": {"blob": "uploads/songs/evening.flac"},
    "start_seconds": 8,
    "end_seconds": 40,
    "ratios": [0.25, 0.5, 0.75],
}


def _rounded(ratios: tuple[float, ...]) -> tuple[float, ...]:
    """To thousandths: they are part of the files' names."""
    thousandths = tuple(round(ratio, 3) for ratio in ratios)
    if len(set(thousandths)) < len(thousandths):
        raise ValueError("each may be named once, and they must differ by 0.001 or more")
    return thousandths


Ratios = Annotated[
    tuple[Annotated[float, Between(0, 1, "")], ...],
    *at_most(_MOST_RATIOS),
    BeforeValidator(words),
    *NOT_EMPTY,
    AfterValidator(_rounded),
]


class BridgeOptions(JobRequest):
    """What to make between two tracks, wherever they come from."""

    ratios: Annotated[Ratios, default((0.5,))] = Field(
        (0.5,), description="0 is track 1, 1 is track 2; each makes a file of its own, and the work is shared"
    )
    start_seconds: Annotated[float, Between(0, _LATEST_SECONDS, "seconds")] = Field(
        0.0, description="Where the part of both tracks begins that is bridged"
    )
    end_seconds: Annotated[float, Between(0, _LATEST_SECONDS, "seconds")] | None = Field(
        None, description="Where it ends, counted in track 1; at the end of the shorter track if left out"
    )
    track2_start_seconds: Annotated[float, Between(0, _LATEST_SECONDS, "seconds")] | None = Field(
        None, description="Where the part of track 2 begins, if it is not at start_seconds as well"
    )
    crossfade_seconds: Annotated[float, Between(0.05, 8, "seconds")] = Field(
        1.0, description="How long two segments sound together, for engines that work in segments"
    )
    stereo: bool = Field(False, description="Each side by itself, in a second pass; mono otherwise")
    sample_rate: Annotated[int, Between(LOWEST_SAMPLE_RATE, HIGHEST_SAMPLE_RATE, "Hz")] | None = Field(
        None, description="Hz; the engine's own, or track 1's, if left out"
    )
    model: ModelName | None = Field(None, description="Which of the engine's models; an operator may have several")
    format: NamedFormat = Field("wav16", description="wav16, wav24, wav_float, flac, mp3, ogg or m4a")

    @property
    def channels(self) -> int:
        """Of the new tracks."""
        return 2 if self.stereo else 1

    @property
    def asked_seconds(self) -> float | None:
        """How long the part is; ``None`` if it goes on to the end of the shorter track."""
        return None if self.end_seconds is None else self.end_seconds - self.start_seconds

    def start_of(self, track: str) -> float:
        """Where the part of this track begins, in seconds."""
        if track == TRACKS[1] and self.track2_start_seconds is not None:
            return self.track2_start_seconds
        return self.start_seconds

    def check_times(self) -> None:
        """Raise ``InvalidRequest`` if the part ends before it begins, or is too short or too long."""
        errors = [*self._length_errors(self.asked_seconds)] if self.asked_seconds is not None else []
        if errors:
            raise InvalidRequest(errors)

    def _length_errors(self, seconds: float) -> Iterator[FieldError]:
        if seconds <= 0:
            yield FieldError("/end_seconds", f"must be after start_seconds, which is {self.start_seconds:g}")
        elif seconds < SHORTEST_SECONDS:
            yield FieldError("/end_seconds", f"the part must last {SHORTEST_SECONDS:g} s or longer, not {seconds:g}")
        elif fault := length_fault(seconds, len(self.ratios), self.channels):
            yield FieldError("/end_seconds", fault)


class BridgeRequest(BridgeOptions):
    """The JSON body of ``POST /v1/bridges``: both tracks are in storage already."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    track1: StoredFile = Field(description="The track at ratio 0")
    track2: StoredFile = Field(description="The track at ratio 1")

    def options(self) -> BridgeOptions:
        """All but where the tracks are."""
        return BridgeOptions.model_validate(self.model_dump(exclude=set(TRACKS)))


def length_fault(seconds: float, ratios: int, channels: int) -> str | None:
    """Why a part of so many seconds is too long, and what is not; ``None`` if it fits."""
    if seconds > LONGEST_SECONDS:
        return f"the part may last {LONGEST_SECONDS:g} s at most, not {seconds:.1f}"
    if seconds * ratios * channels > MOST_SECONDS:
        longest = MOST_SECONDS / ratios / channels
        return f"with {ratios} ratios in {'stereo' if channels == 2 else 'mono'} it may last {longest:g} s at most"
    return None
