"""A fact: one thing that is true of a job, in a sentence, with the fields of the public job that say so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Topic(StrEnum):
    """What people ask about."""

    MADE = "made"  # how it came about
    FOUND = "found"  # what is in the audio, of each track
    PARAMETERS = "parameters"  # what was asked for, and what was filled in
    ADVICE = "advice"  # what to change, and by how much
    TROUBLE = "trouble"  # what went wrong
    TIMES = "times"  # when, how long, how often


@dataclass(frozen=True)
class Fact:
    """A fact.

    Attributes:
        topics: what it answers, above all the first.
        text: plain English, one sentence or two.
        fields: JSON pointers (RFC 6901) into the job as ``GET /v1/jobs/{job_id}`` shows it.
        about: the names of what it tells, as ``understanding`` knows them.
        scope: the track or stem that it is about; ``None`` for the whole.
        rule: how the numbers in it that no field holds follow from those that do; ``None`` if there are none.
    """

    topics: tuple[Topic, ...]
    text: str
    fields: tuple[str, ...]
    about: frozenset[str] = frozenset()
    scope: str | None = None
    rule: str | None = None
