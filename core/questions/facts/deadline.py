"""How much fits into the time that a job may take, told by how far one came that took too long."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.record import Record

AS_FAR_AS_IT_CAME = "the length times the progress, in whole seconds"
_LENGTHS = (
    "/request/parameters/duration_seconds", "/request/audio/duration_seconds", "/request/input/audio/duration_seconds",
    "/request/chords/duration_seconds", "/request/material/0/audio/duration_seconds",
)  # fmt: skip


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    if record.get("/error/type") != "deadline-exceeded":
        return
    length, fields = _length(record)
    fits = int(length * (record.number("/progress") or 0.0))
    if fits >= 1:
        yield from record.tell(
            (Topic.ADVICE, Topic.TROUBLE), "error duration",
            "It was {progress:share} done when its time was over: of the {length} s, about {most} s fit into one job.",
            rule=AS_FAR_AS_IT_CAME, progress="/progress", also=fields, values={"length": length, "most": fits},
        )  # fmt: skip


def _length(record: Record) -> tuple[float, list[str]]:
    """How many seconds were to be made or heard, and the fields that say so; 0 if none do."""
    start, end = record.number("/request/start_seconds"), record.number("/request/end_seconds")
    if start is not None and end is not None:
        return end - start, ["/request/end_seconds", "/request/start_seconds"]
    found = [(length, [pointer]) for pointer in _LENGTHS if (length := record.number(pointer)) is not None]
    return found[0] if found else (0.0, [])
