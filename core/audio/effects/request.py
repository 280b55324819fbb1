"""The effects that a request may ask for, and what their knobs mean. Light to import: the HTTP app describes them.

A chain is a list of effects in the order in which they are applied, each an object with a ``type``:
``[{"type": "compressor", "ratio": 3}, {"type": "reverb", "decay_seconds": 2.5}]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from core.errors import FieldError
from core.validation import NOT_EMPTY, Between, at_most

MOST_EFFECTS = 16
MOST_BANDS = 10
LOWEST_HZ, HIGHEST_HZ = 10.0, 90_000.0
"""Of any filter; it must lie below half of the sample rate as well."""

Frequency = Annotated[float, Between(LOWEST_HZ, HIGHEST_HZ, "Hz")]
Q = Annotated[float, Between(0.1, 30, "(higher is narrower)")]
Attack = Annotated[float, Between(0.1, 1000, "ms")]
Release = Annotated[float, Between(1, 5000, "ms")]
Mix = Annotated[float, Between(0, 1, "(0 is the sound as it came, 1 the effect alone)")]
Order = Literal[2, 4, 6, 8]


class Settings(BaseModel):
    """What every effect's settings have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def frequencies(self) -> Iterator[tuple[str, float]]:
        """The frequencies in Hz that must lie below half of the sample rate, by their JSON pointers."""
        yield from ()


class _Filter(Settings):
    frequency_hz: Frequency

    def frequencies(self) -> Iterator[tuple[str, float]]:
        yield "/frequency_hz", self.frequency_hz


class Band(_Filter):
    """One band of an equalizer."""

    type: Literal["peaking", "low_shelf", "high_shelf"] = "peaking"
    gain_db: Annotated[float, Between(-24, 24, "dB")] = Field(
        description="At the frequency of a peaking band, far beyond that of a shelf, where it is half of it"
    )
    q: Q = 0.707


class Equalizer(Settings):
    """Raises and lowers parts of the spectrum."""

    type: Literal["equalizer"] = "equalizer"
    bands: Annotated[
        tuple[Band, ...], *NOT_EMPTY, *at_most(MOST_BANDS),
    ]  # fmt: skip

    def frequencies(self) -> Iterator[tuple[str, float]]:
        """Of each band."""
        for index, band in enumerate(self.bands):
            for pointer, frequency_hz in band.frequencies():
                yield f"/bands/{index}{pointer}", frequency_hz


class Compressor(Settings):
    """Turns down what is louder than a threshold, by the root mean square; both channels alike, as the louder asks."""

    type: Literal["compressor"] = "compressor"
    threshold_db: Annotated[float, Between(-60, 0, "dBFS")] = -20.0
    ratio: Annotated[float, Between(1, 20, "dB in for 1 dB out")] = 4.0
    attack_ms: Attack = 10.0
    release_ms: Release = 150.0
    knee_db: Annotated[float, Between(0, 18, "dB")] = Field(6.0, description="How wide the bend at the threshold is")
    makeup_db: Annotated[float, Between(0, 36, "dB")] = Field(0.0, description="What all is raised by afterwards")


class Gate(Settings):
    """Turns down what is quieter than a threshold, by the root mean square; both channels alike, as the louder asks."""

    type: Literal["gate"] = "gate"
    threshold_db: Annotated[float, Between(-90, 0, "dBFS")] = -50.0
    ratio: Annotated[float, Between(1, 100, "dB out for 1 dB in")] = 10.0
    range_db: Annotated[float, Between(-90, 0, "dB")] = Field(-60.0, description="The most it turns down")
    attack_ms: Attack = 1.0
    release_ms: Release = 100.0


class Limiter(Settings):
    """Keeps every sample below a ceiling, looking 5 ms ahead."""

    type: Literal["limiter"] = "limiter"
    ceiling_db: Annotated[float, Between(-24, 0, "dBFS")] = -1.0
    release_ms: Release = 100.0


class Drive(Settings):
    """Bends the waveform, as an amplifier does that is turned up: tanh, whose odd harmonics grow with the level."""

    type: Literal["drive"] = "drive"
    drive_db: Annotated[float, Between(0, 48, "dB")] = Field(12.0, description="What it is turned up by before")
    tone_hz: Annotated[float, Between(500, 20_000, "Hz")] = Field(
        8000.0, description="What lies above is softened; nothing is, from half of the sample rate on"
    )
    mix: Mix = 1.0


class Delay(Settings):
    """Echoes, each quieter than the one before."""

    type: Literal["delay"] = "delay"
    time_ms: Annotated[float, Between(1, 2000, "ms")] = 350.0
    feedback: Annotated[float, Between(0, 0.95, "of the echo before")] = 0.35
    mix: Mix = 0.3


class Reverb(Settings):
    """A room."""

    type: Literal["reverb"] = "reverb"
    decay_seconds: Annotated[float, Between(0.1, 10, "seconds")] = Field(
        1.8, description="Until the low frequencies have fallen by 60 dB"
    )
    pre_delay_ms: Annotated[float, Between(0, 200, "ms")] = Field(10.0, description="Until the room answers")
    damping_hz: Annotated[float, Between(500, 20_000, "Hz")] = Field(
        6000.0, description="Where the decay takes half as long; above it ever less"
    )
    mix: Mix = 0.25


class Lowpass(_Filter):
    """A Butterworth filter: 3 dB down at its frequency, above it 6 dB an octave for each order."""

    type: Literal["lowpass"] = "lowpass"
    order: Order = 2


class Highpass(_Filter):
    """A Butterworth filter: 3 dB down at its frequency, below it 6 dB an octave for each order."""

    type: Literal["highpass"] = "highpass"
    order: Order = 2


class Bandpass(_Filter):
    """Lets one frequency pass as it is; its band is ``frequency_hz / q`` wide, 3 dB down at either edge."""

    type: Literal["bandpass"] = "bandpass"
    q: Q = 1.0


AnyEffect = (
    Equalizer | Compressor | Gate | Limiter | Drive | Delay | Reverb | Lowpass | Highpass | Bandpass
)  # fmt: skip
_KINDS: dict[str, type[AnyEffect]] = {
    str(kind.model_fields["type"].default): kind
    for kind in (Equalizer, Compressor, Gate, Limiter, Drive, Delay, Reverb, Lowpass, Highpass, Bandpass)
}


def _by_type(value: object, _: ValidatorFunctionWrapHandler) -> AnyEffect:
    """The effect that ``type`` names. pydantic's own union would put that name into the pointers to what is wrong."""
    if isinstance(value, AnyEffect):
        return value
    if not isinstance(value, Mapping):
        raise ValueError('must be an object with a type, such as {"type": "reverb"}')
    kind = _KINDS.get(str(value.get("type")))
    if kind is None:
        allowed = PydanticCustomError("effect_type", "must be one of {types}", {"types": ", ".join(_KINDS)})
        wrong = InitErrorDetails(type=allowed, loc=("type",), input=value.get("type"))
        raise ValidationError.from_exception_data("effect", [wrong])
    return kind.model_validate(value)


def _from_text(value: object) -> object:
    """A form has nothing but text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f'must be a list of effects as JSON, such as [{{"type": "reverb"}}]: {error}') from None


def _list_of_effects(value: object) -> object:
    if not isinstance(value, list | tuple):
        raise ValueError('must be a list of effects, such as [{"type": "reverb"}]')
    return value


Effect = Annotated[AnyEffect, WrapValidator(_by_type)]
"""One effect, by its ``type``."""

EffectChain = Annotated[
    tuple[Effect, ...], *at_most(MOST_EFFECTS), BeforeValidator(_list_of_effects), BeforeValidator(_from_text),
]  # fmt: skip
"""At most 16 effects, in the order in which they are applied; none are allowed, and JSON as text is, too."""


def frequency_errors(chain: Sequence[AnyEffect], sample_rate: int, pointer: str = "/effects") -> Iterator[FieldError]:
    """What in ``chain``, which stands at the JSON ``pointer``, cannot be done at ``sample_rate`` Hz."""
    for index, effect in enumerate(chain):
        for place, frequency_hz in effect.frequencies():
            if frequency_hz >= sample_rate / 2:
                detail = (
                    f"must be below {sample_rate / 2:g} Hz, half of the audio's sample rate of {sample_rate} Hz, "
                    f"not {frequency_hz:g}"
                )
                yield FieldError(f"{pointer}/{index}{place}", detail)
