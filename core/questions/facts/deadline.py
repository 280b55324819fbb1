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
    progress = record.number("/progress") or 0.0
    for pointer in _LENGTHS:
        length = record.number(pointer)
        if length is not None and int(length * progress) >= 1:
            yield from record.tell(
                (Topic.ADVICE, Topic.TROUBLE), "error duration", "It came to {progress:share} of {length} s in the "
                "time that it may take: "
                "ask for at most {most} s at a time.", rule=AS_FAR_AS_IT_CAME, progress="/progress", length=pointer,
                values={"most": int(length * progress)},
            )  # fmt: skip
