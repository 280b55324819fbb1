"""What there is to say of audio that was analysed."""

from __future__ import annotations

from collections.abc import Iterator

from core.questions.fact import Fact, Topic
from core.questions.facts import heard, outputs, sources
from core.questions.record import Record


def facts(record: Record) -> Iterator[Fact]:
    """All of it."""
    material = record.members("/request/material")
    if len(material) == 1:
        yield from record.tell(
            Topic.MADE, "kind source", "It analyses the file {name!q}.", name=f"{material[0]}/source/filename"
        )
    else:
        names = [f"{each}/source/filename" for each in material]
        yield from record.tell(
            Topic.MADE, "kind source", "It analyses several files, heard together: {names!q}.", also=names,
            values={"names": [str(record.get(name)) for name in names]},
        )  # fmt: skip
    yield from record.tell(
        Topic.PARAMETERS, "format", "The format asked for the click track is {format}.", format="/request/click_format"
    )
    yield from heard.facts(record, "/result", "The audio")
    for number, each in enumerate(material, 1):
        yield from sources.facts(record, each, "The source" if len(material) == 1 else f"Source {number}")
    yield from outputs.level_advice(record, "The audio", "/result/integrated_lufs", "/result/true_peak_dbtp")
