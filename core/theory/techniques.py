"""How a note is played: the techniques, what excludes what, and the pitch that comes of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from core.theory.notes import frequency_of
from core.validation import Between

Technique = Literal[
    "pluck", "palm_mute", "harmonic", "hammer_on", "pull_off", "slide", "bend", "vibrato", "tremolo", "dead_note",
    "let_ring",
]  # fmt: skip
TECHNIQUES: tuple[str, ...] = get_args(Technique)

_CONTRADICTIONS = (
    ({"dead_note"}, {"harmonic", "hammer_on", "pull_off", "slide", "bend", "vibrato", "let_ring", "palm_mute"}),
    ({"let_ring"}, {"palm_mute", "tremolo"}),
    ({"harmonic"}, {"palm_mute", "hammer_on", "pull_off", "slide", "bend"}),
    ({"tremolo"}, {"hammer_on", "pull_off"}),
    ({"hammer_on"}, {"pull_off", "slide", "bend"}),
    ({"pull_off"}, {"slide", "bend"}),
    ({"slide"}, {"bend"}),
)

_USED_BY: dict[str, frozenset[str]] = {
    "bend_semitones": frozenset({"bend"}),
    "from_fret": frozenset({"hammer_on", "pull_off", "slide"}),
    "start_seconds": frozenset({"bend", "slide", "hammer_on", "pull_off", "vibrato"}),
    "glide_seconds": frozenset({"bend", "slide"}),
    "vibrato_rate_hz": frozenset({"vibrato"}),
    "vibrato_depth_cents": frozenset({"vibrato"}),
    "tremolo_rate_hz": frozenset({"tremolo"}),
}

_NODES = {12: 2, 7: 3, 19: 3, 5: 4, 24: 4, 4: 5, 9: 5, 16: 5}
"""Frets above a node of the open string, and into how many parts the string then swings."""

_USUAL_START_SECONDS = 0.15
_USUAL_GLIDE_SECONDS = 0.2


class Articulation(BaseModel):
    """The details of the techniques; each belongs to those that the description names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bend_semitones: Annotated[float, Between(0.25, 4, "semitones")] | None = Field(
        None, description="bend: how far up; 1 if left out"
    )
    from_fret: Annotated[int, Between(0, 24, "")] | None = Field(
        None, description="hammer_on, pull_off, slide: where the finger comes from; two frets away if left out"
    )
    start_seconds: Annotated[float, Between(0, 29, "seconds")] | None = Field(
        None, description="bend, slide, hammer_on, pull_off, vibrato: when it begins; 0.15 if left out"
    )
    glide_seconds: Annotated[float, Between(0.02, 10, "seconds")] | None = Field(
        None, description="bend, slide: how long the pitch is on its way; 0.2 if left out"
    )
    vibrato_rate_hz: Annotated[float, Between(1, 10, "Hz")] | None = Field(
        None, description="vibrato: swings a second; 5.5 if left out"
    )
    vibrato_depth_cents: Annotated[float, Between(1, 100, "cents")] | None = Field(
        None, description="vibrato: how far to either side; 30 if left out"
    )
    tremolo_rate_hz: Annotated[float, Between(2, 20, "Hz")] | None = Field(
        None, description="tremolo: strokes a second; 10 if left out"
    )
    pick_position: Annotated[float, Between(0.02, 0.5, "of the string")] | None = Field(
        None, description="Where it is plucked, from the bridge; the instrument's usual place if left out"
    )

    def given(self) -> Iterator[str]:
        """The names of what was not left out."""
        return (name for name, value in self if value is not None)


def canonical(techniques: Collection[str]) -> tuple[str, ...]:
    """The techniques in one order, ``pluck`` among them, which every note begins with."""
    return tuple(name for name in TECHNIQUES if name == "pluck" or name in techniques)


def contradictions(techniques: Collection[str]) -> list[tuple[str, str]]:
    """Every two of the techniques that no hand can play together."""
    chosen = set(techniques)
    return [
        (one, other) for ones, others in _CONTRADICTIONS for one in ones & chosen for other in sorted(others & chosen)
    ]


def unused(articulation: Articulation, techniques: Collection[str]) -> Iterator[tuple[str, str]]:
    """Each detail that was given and none of the techniques has a use for, and who would have one."""
    for name in articulation.given():
        users = _USED_BY.get(name)
        if users is not None and not users & set(techniques):
            yield name, " or ".join(sorted(users))


def settled(articulation: Articulation, techniques: Collection[str], fret: int, seconds: float) -> Articulation:
    """The details that ``techniques`` need, all filled in for a note of ``seconds``; the others ``None``.

    A glide that does not fit a short note by itself takes at most a quarter of it, after at most a quarter.
    Raises ``ValueError`` if what was given does not fit the fret or the length.
    """
    quarter = seconds / 4
    usual = {
        "bend_semitones": 1.0,
        "from_fret": _usual_from_fret(techniques, fret),
        "start_seconds": min(_USUAL_START_SECONDS, quarter),
        "glide_seconds": min(_USUAL_GLIDE_SECONDS, quarter),
        "vibrato_rate_hz": 5.5,
        "vibrato_depth_cents": 30.0,
        "tremolo_rate_hz": 10.0,
    }
    needed = {name: value for name, value in usual.items() if _USED_BY[name] & set(techniques)}
    filled = Articulation.model_construct(**{**dict(articulation), **needed, **_given(articulation)})
    _check_from_fret(filled, techniques, fret)
    if (filled.start_seconds or 0) + (filled.glide_seconds or 0) >= seconds:
        raise ValueError(f"start_seconds and glide_seconds end after the note, which lasts {seconds:g} s")
    return filled


def natural_harmonic(fret: int) -> int | None:
    """Into how many parts a finger above this fret divides the open string; ``None`` where there is no node."""
    return _NODES.get(fret)


def sounding_hz(open_pitch: float, fret: int, techniques: Collection[str], bend_semitones: float = 0.0) -> float | None:
    """The frequency that the note comes to rest at, ``None`` for a dead note, which has none.

    ``open_pitch`` is the open string's MIDI number. A harmonic is a whole multiple of the open string above a node, and
    an artificial one, an octave above the fretted note, anywhere else. A bent note rests where the bend leads.
    """
    if "dead_note" in techniques:
        return None
    if "harmonic" in techniques:
        parts = natural_harmonic(fret)
        return frequency_of(open_pitch) * parts if parts else frequency_of(open_pitch + fret + 12)
    return frequency_of(open_pitch + fret + (bend_semitones if "bend" in techniques else 0.0))


def cents_at(articulation: Articulation, techniques: Collection[str], fret: int, seconds: float) -> float:
    """How far the pitch is from the fretted note's, ``seconds`` after the pluck; of a harmonic, from its own.

    ``articulation`` is a settled one. A bend rises along a raised cosine, a slide evenly, a hammer-on and a pull-off at
    once. A vibrato swings evenly to both sides and takes its first whole swing to reach its depth.
    """
    start = articulation.start_seconds or 0.0
    since = seconds - start
    share = min(max(since / (articulation.glide_seconds or math.inf), 0.0), 1.0)
    cents = 0.0
    if "bend" in techniques:
        cents += 100 * (articulation.bend_semitones or 0.0) * (0.5 - 0.5 * math.cos(math.pi * share))
    if "slide" in techniques:
        cents += 100 * ((articulation.from_fret or 0) - fret) * (1 - share)
    if {"hammer_on", "pull_off"} & set(techniques) and since < 0:
        cents += 100 * ((articulation.from_fret or 0) - fret)
    if "vibrato" in techniques and since > 0:
        turns = since * (articulation.vibrato_rate_hz or 0.0)
        cents += (articulation.vibrato_depth_cents or 0.0) * min(turns, 1.0) * math.sin(2 * math.pi * turns)
    return cents


def _given(articulation: Articulation) -> dict[str, object]:
    return {name: value for name, value in articulation if value is not None}


def _usual_from_fret(techniques: Collection[str], fret: int) -> int:
    """Two frets below; for a pull-off, and where there is no room, above."""
    if "pull_off" in techniques or ("slide" in techniques and fret < 2):
        return fret + 2
    return max(fret - 2, 0)


def _check_from_fret(articulation: Articulation, techniques: Collection[str], fret: int) -> None:
    start = articulation.from_fret
    if start is None:
        return
    if "hammer_on" in techniques and start >= fret:
        raise ValueError(f"a hammer_on to fret {fret} comes from a lower one, not from {start}")
    if "pull_off" in techniques and start <= fret:
        raise ValueError(f"a pull_off to fret {fret} comes from a higher one, not from {start}")
    if "slide" in techniques and start == fret:
        raise ValueError(f"a slide to fret {fret} comes from another one")
