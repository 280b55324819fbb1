"""A job's record: its public fields, and how sentences are made of them.

A sentence names the fields it takes its values from, and is not there without them: so nothing can be said that the
record does not hold, and no field be named that does not hold it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from core.questions.fact import Fact, Topic
from core.questions.wording import sentence


class Record:
    """The job as ``core.jobs.view.job_view`` shows it."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        self._view = view

    def get(self, pointer: str) -> Any:
        """What stands at a JSON pointer; ``None`` if nothing does."""
        value: Any = self._view
        for token in pointer.split("/")[1:]:
            value = _member(value, token.replace("~1", "/").replace("~0", "~"))
        return value

    def number(self, pointer: str) -> float | None:
        """The number at a pointer; ``None`` if there is none."""
        value = self.get(pointer)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def members(self, pointer: str) -> list[str]:
        """The pointers of all that an object or a list at a pointer holds, in order."""
        value = self.get(pointer)
        if isinstance(value, Mapping):
            return [f"{pointer}/{escaped(name)}" for name in value]
        return [f"{pointer}/{index}" for index in range(len(value))] if isinstance(value, list) else []

    def moment(self, pointer: str) -> datetime | None:
        """The time at a pointer; ``None`` if there is none."""
        value = self.get(pointer)
        return datetime.fromisoformat(value) if isinstance(value, str) else None

    def tell(
        self, topics: Topic | Sequence[Topic], about: str, template: str, *, scope: str | None = None,
        rule: str | None = None, also: Sequence[str] = (), values: Mapping[str, Any] | None = None,
        more: Mapping[str, str] | None = None, **fields: str,
    ) -> Iterator[Fact]:  # fmt: skip
        """The fact that ``template`` makes of ``fields``, pointers by name; none, if one of them holds nothing.

        Args:
            topics: what it answers.
            about: names of what it tells, as ``understanding`` knows them, with spaces between.
            template: see ``core.questions.wording.Wording``.
            scope: the track or stem that it is about.
            rule: how ``values`` follow from the fields.
            also: pointers of fields that the sentence rests on without showing them.
            values: what else the template shows: fields in other words, and what ``rule`` says.
            more: as ``fields``, together.
            fields: pointers of the values, by name.
        """
        fields |= more or {}
        found = {name: self.get(pointer) for name, pointer in fields.items()}
        if any(value in (None, "", [], {}) for value in found.values()):
            return
        pointers = dict.fromkeys((*fields.values(), *also))
        text = sentence(template, found | dict(values or {}))
        kinds = (topics,) if isinstance(topics, Topic) else tuple(topics)
        yield Fact(kinds, text, tuple(pointers), frozenset(about.split()), scope, rule)


def escaped(name: str) -> str:
    """A member's name as part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _member(value: Any, token: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(token)
    if isinstance(value, list) and token.isdigit() and int(token) < len(value):
        return value[int(token)]
    return None
