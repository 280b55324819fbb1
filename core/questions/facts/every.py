"""Everything that there is to say of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from core.jobs.model import JobKind
from core.questions.fact import Fact
from core.questions.facts import (
    accompaniment,
    analysis,
    bridge,
    common,
    deadline,
    effects,
    generation,
    outputs,
    separation,
    sounds,
)
from core.questions.record import Record

_OF_KIND: Mapping[JobKind, Callable[[Record], Iterator[Fact]]] = {
    JobKind.GENERATION: generation.facts,
    JobKind.SEPARATION: separation.facts,
    JobKind.SOUND: sounds.facts,
    JobKind.SOUND_BATCH: sounds.facts,
    JobKind.EFFECTS: effects.facts,
    JobKind.ANALYSIS: analysis.facts,
    JobKind.ACCOMPANIMENT: accompaniment.facts,
    JobKind.BRIDGE: bridge.facts,
}


def facts_of(kind: JobKind, view: Mapping[str, Any]) -> list[Fact]:
    """The facts of a job of this kind, of which ``view`` has the public fields; none twice."""
    record = Record(view)
    by_text: dict[str, Fact] = {}
    for source in (common.engine_facts, _OF_KIND[kind], deadline.facts, common.facts, outputs.facts):
        for fact in source(record):
            by_text.setdefault(fact.text, fact)
    return list(by_text.values())
