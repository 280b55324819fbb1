"""What there is to say of jobs for one sound of the bank, and for many."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record

HARDER, SOFTER = "0.1 more, at most 1", "0.1 less, at least 0"
COUNTED = "how many there are"
_STEP = 0.1

_ASKED = {
    "instrument": ("instrument", "The instrument is {value}."),
    "tuning": ("tuning", "The tuning is {value!q}."),
    "string": ("note", "The string is {value}; 1 is the last of the tuning."),
    "fret": ("note", "The fret is {value}; 0 is the open string."),
    "velocity": ("velocity", "The velocity is {value} of 1."),
    "velocities": ("velocity", "The velocities are {value}."),
    "technique": ("technique", "It is played with {value}."),
    "style_prompt": ("prompt", "The style prompt is {value!q}."),
    "duration_seconds": ("duration", "The length asked for is {value} s."),
    "random_seed": ("seed", "The random seed is {value}."),
    "take_seed": ("seed", "A new take was asked for, and drawn with the seed {value}."),
    "no_cache": ("bank", "A new take was asked for though the bank may have the sound: {value}."),
    "derive": ("bank", "It may be made from the nearest sound of the bank: {value}."),
    "tags": ("tags", "Its tags are {value!q}."),
}


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    if record.get("/kind") == "sound":
        yield from _sound(record)
    else:
        yield from _batch(record)
    for name, (about, text) in _ASKED.items():
        yield from record.tell(Topic.PARAMETERS, about, text, value=f"/request/{name}")
    for detail in record.members("/request/articulation"):
        name = detail.rpartition("/")[2]
        yield from record.tell(Topic.PARAMETERS, "technique", f"The articulation has {name} {{value}}.", value=detail)
    effects = [f"{effect}/type" for effect in record.members("/request/effects")]
    if effects:
        yield from record.tell(
            (Topic.PARAMETERS, Topic.MADE), "effects", "These effects are applied to it in order: {kinds}.",
            also=effects, values={"kinds": [record.get(kind) for kind in effects]},
        )  # fmt: skip
    yield from _advice(record)


def _sound(record: Record) -> Iterator[Fact]:
    yield from record.tell(
        Topic.MADE, "kind note instrument", "It is one note of {instrument}, on string {string} at fret {fret}.",
        instrument="/request/instrument", string="/request/string", fret="/request/fret",
    )  # fmt: skip
    if record.get("/result/cached") is True:
        yield from record.tell(
            Topic.MADE, "bank", "The bank had it already, so that nothing was played.", also=["/result/cached"]
        )
    elif record.get("/result/derived") is True:
        yield from record.tell(
            Topic.MADE, "bank", "It was shifted from the nearest sound of the bank.", also=["/result/derived"]
        )
    elif record.get("/result/cached") is False:
        yield from record.tell(
            Topic.MADE, "bank", "It was played for this job, and is in the bank since.",
            also=["/result/cached", "/result/derived"],
        )  # fmt: skip
    yield from record.tell(
        (Topic.FOUND, Topic.MADE), "bank files", "The sound is {sample} in the bank, to be read from {address}.",
        sample="/result/sample_id", address="/result/download_url",
    )  # fmt: skip
    yield from record.tell(
        Topic.FOUND, "bank nearest", "The nearest sound that the bank had is {sample}, {shift:+.2f} semitones away.",
        sample="/result/nearest/sample_id", shift="/result/nearest/shift_semitones",
    )  # fmt: skip


def _batch(record: Record) -> Iterator[Fact]:
    yield from record.tell(
        Topic.MADE, "kind note instrument", "It is a batch of {total} notes of {instrument}.", total="/result/total",
        instrument="/request/instrument",
    )  # fmt: skip
    yield from record.tell(
        (Topic.FOUND, Topic.MADE), "bank", "Of {total} notes, {made} were made, and {found} were in the bank already.",
        total="/result/total", made="/result/made", found="/result/found",
    )  # fmt: skip
    notes = record.members("/request/notes")
    if notes:
        yield from record.tell(
            Topic.PARAMETERS, "note", "{count} positions on the fretboard were named one by one.",
            also=["/request/notes"], values={"count": len(notes)}, rule=COUNTED,
        )  # fmt: skip
    yield from record.tell(
        Topic.PARAMETERS, "note", "The notes are those of the region from fret {low} to fret {high}.",
        low="/request/region/fret_min", high="/request/region/fret_max",
    )  # fmt: skip
    yield from record.tell(
        Topic.PARAMETERS, "note key", "The notes are those of the scale {root} {name} from fret {low} to fret {high}.",
        root="/request/scale/root", name="/request/scale/name", low="/request/scale/fret_min",
        high="/request/scale/fret_max",
    )  # fmt: skip


def _advice(record: Record) -> Iterator[Fact]:
    velocity = record.number("/request/velocity")
    values = {"more": min((velocity or 0) + _STEP, 1), "less": max((velocity or 0) - _STEP, 0)}
    if velocity is not None and velocity < 1:
        yield from record.tell(
            Topic.ADVICE, "velocity loudness louder brightness",
            "For a harder, louder note, raise velocity from {value} to {more}.", rule=HARDER, value="/request/velocity",
            values=values,
        )  # fmt: skip
    if velocity is not None and velocity > 0:
        yield from record.tell(
            Topic.ADVICE, "velocity loudness quieter brightness",
            "For a softer, quieter note, lower velocity from {value} to {less}.", rule=SOFTER,
            value="/request/velocity", values=values,
        )  # fmt: skip
    if record.get("/request/random_seed") is None:
        text, seed = "For another take of it, ask with a random_seed, of which none was named.", {}
    else:
        text, seed = (
            "For another take of it, ask with another random_seed than {seed}.",
            {"seed": "/request/random_seed"},
        )
    yield from record.tell(Topic.ADVICE, "seed bank", text, also=["/request/random_seed"], more=seed)
