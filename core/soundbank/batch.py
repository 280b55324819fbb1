"""Which notes a batch of sounds consists of: positions on the fretboard, each in layers of velocity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from core.errors import FieldError, InvalidRequest
from core.soundbank.sfz import midi_velocity
from core.theory.fretboard import INSTRUMENTS, Instrument
from core.theory.scales import SCALES, degrees, pitch_classes, root_pitch_class
from core.validation import NOT_EMPTY, Between, at_most, default

MOST_NOTES = 1000
"""In one batch: positions times layers."""

MOST_LAYERS = 16

_MOST_STRINGS = max(instrument.strings for instrument in INSTRUMENTS.values())
_MOST_FRETS = max(instrument.frets for instrument in INSTRUMENTS.values())
_MOST_POSITIONS = _MOST_STRINGS * (_MOST_FRETS + 1)
_USUAL_VELOCITIES = (0.8,)

_Named = TypeVar("_Named", bound=Hashable)


def _each_once(values: tuple[_Named, ...]) -> tuple[_Named, ...]:
    for value, times in Counter(values).items():
        if times > 1:
            raise ValueError(f"each may be named once; {value} comes again")
    return values


def _told_apart(velocities: tuple[float, ...]) -> tuple[float, ...]:
    """Layers are for samplers, which know MIDI's 127 velocities and nothing in between."""
    for midi, times in Counter(map(midi_velocity, velocities)).items():
        if times > 1:
            same = " and ".join(f"{velocity:g}" for velocity in velocities if midi_velocity(velocity) == midi)
            raise ValueError(f"each must be a MIDI velocity of its own, about 1/127 from the next; {same} are the same")
    return velocities


def _known_root(root: str) -> str:
    root_pitch_class(root)
    return root


def _known_scale(name: str) -> str:
    degrees(name)
    return name


_EACH_ONCE = (AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True}))

String = Annotated[int, Between(1, _MOST_STRINGS, "")]
Fret = Annotated[int, Between(0, _MOST_FRETS, "")]
Strings = Annotated[
    tuple[String, ...],
    *at_most(_MOST_STRINGS),
    *NOT_EMPTY,
    *_EACH_ONCE,
]
Velocities = Annotated[
    tuple[Annotated[float, Between(0, 1, "")], ...],
    *at_most(MOST_LAYERS),
    *NOT_EMPTY,
    AfterValidator(_told_apart),
    default(_USUAL_VELOCITIES),
]
ScaleName = Annotated[str, AfterValidator(_known_scale), Field(json_schema_extra={"enum": list(SCALES)})]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Position(_Part):
    """A place on the fretboard; string 1 is the last of the tuning as it is written, fret 0 the open string."""

    string: String
    fret: Fret


Positions = Annotated[
    tuple[Position, ...],
    *at_most(_MOST_POSITIONS),
    *NOT_EMPTY,
    *_EACH_ONCE,
]


class _Rectangle(_Part):
    strings: Strings | None = Field(None, description="All strings if left out")
    fret_min: Fret
    fret_max: Fret

    @model_validator(mode="after")
    def _upright(self) -> Self:
        if self.fret_min > self.fret_max:
            raise ValueError(f"fret_min, {self.fret_min}, must not lie above fret_max, {self.fret_max}")
        return self


class Region(_Rectangle):
    """A rectangle of the fretboard, its bounds included."""


class Scale(_Rectangle):
    """All positions in a rectangle of the fretboard whose pitch belongs to a scale."""

    root: Annotated[str, AfterValidator(_known_root)] = Field(description="Such as A, F# or Bb")
    name: ScaleName
    fret_min: Fret = 0
    fret_max: Fret = 12


class NoteSelection(_Part):
    """The notes of a batch: one way of choosing positions, and the velocities that each is played with."""

    notes: Positions | None = Field(None, description="Positions one by one")
    region: Region | None = Field(None, description="All positions in a rectangle of the fretboard")
    scale: Scale | None = Field(None, description="The positions in such a rectangle that belong to a scale")
    velocities: Velocities = Field(_USUAL_VELOCITIES, description="Layers, 0 to 1: every position is played with each")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.notes, self.region, self.scale)) != 1:
            raise ValueError("name one of notes, region and scale")
        return self


@dataclass(frozen=True)
class BatchNote:
    """One note of a batch; ``velocity`` is 0 to 1."""

    string: int
    fret: int
    velocity: float


def positions(selection: NoteSelection, instrument: Instrument, open_pitches: tuple[int, ...]) -> list[tuple[int, int]]:
    """String and fret of each position that is asked for, from the highest string number down, then up the frets.

    ``open_pitches`` are the MIDI numbers of the open strings, that of string 1 last. However they are named, the same
    positions come in the same order. Raises ``InvalidRequest`` for strings and frets that the instrument does not have,
    and for a scale of which nothing lies in its rectangle.
    """
    _check(selection, instrument)
    if selection.notes is not None:
        chosen = [(position.string, position.fret) for position in selection.notes]
    elif selection.scale is not None:
        chosen = _of_scale(selection.scale, instrument, open_pitches)
    else:
        assert selection.region is not None
        chosen = list(_inside(selection.region, instrument))
    return sorted(chosen, key=lambda position: (-position[0], position[1]))


def expand(selection: NoteSelection, instrument: Instrument, open_pitches: tuple[int, ...]) -> list[BatchNote]:
    """The notes of a batch: the positions in the order of ``positions``, each from the softest layer to the loudest.

    Raises ``InvalidRequest`` where ``positions`` does, and for more than ``MOST_NOTES``.
    """
    places = positions(selection, instrument, open_pitches)
    layers = sorted(selection.velocities)
    count = len(places) * len(layers)
    if count > MOST_NOTES:
        detail = f"{len(places)} positions in {len(layers)} velocities are {count} notes; a batch has at most"
        raise InvalidRequest([FieldError("", f"{detail} {MOST_NOTES}")])
    return [BatchNote(string, fret, velocity) for string, fret in places for velocity in layers]


def _check(selection: NoteSelection, instrument: Instrument) -> None:
    errors = [
        FieldError(pointer, f"{instrument.name} has {what} {low} to {high}, not {value}")
        for pointer, value, what in _numbers(selection)
        for low, high in [(1, instrument.strings) if what == "strings" else (0, instrument.frets)]
        if not low <= value <= high
    ]
    if errors:
        raise InvalidRequest(errors)


def _numbers(selection: NoteSelection) -> Iterator[tuple[str, int, str]]:
    """JSON pointer, value and kind of every string and fret that is named."""
    for index, position in enumerate(selection.notes or ()):
        yield f"/notes/{index}/string", position.string, "strings"
        yield f"/notes/{index}/fret", position.fret, "frets"
    for name, part in (("region", selection.region), ("scale", selection.scale)):
        if part is not None:
            for index, string in enumerate(part.strings or ()):
                yield f"/{name}/strings/{index}", string, "strings"
            yield f"/{name}/fret_min", part.fret_min, "frets"
            yield f"/{name}/fret_max", part.fret_max, "frets"


def _inside(part: _Rectangle, instrument: Instrument) -> Iterator[tuple[int, int]]:
    strings: Iterable[int] = part.strings or range(1, instrument.strings + 1)
    return ((string, fret) for string in strings for fret in range(part.fret_min, part.fret_max + 1))


def _of_scale(scale: Scale, instrument: Instrument, open_pitches: tuple[int, ...]) -> list[tuple[int, int]]:
    wanted = pitch_classes(scale.root, scale.name)
    found = [
        (string, fret) for string, fret in _inside(scale, instrument) if (open_pitches[-string] + fret) % 12 in wanted
    ]
    if not found:
        raise InvalidRequest(
            [FieldError("/scale", f"no note of {scale.root} {scale.name} lies there; take in more frets")]
        )
    return found
