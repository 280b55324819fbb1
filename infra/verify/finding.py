"""What was looked at, and what was seen."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum


class State(StrEnum):
    """How one thing stands."""

    OK = "ok"
    MISSING = "missing"  # not there, or not as it must be
    UNSEEN = "not looked at"  # and why, in the detail


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is, in a few words.
        detail: what was seen; of what is missing also what to do.
    """

    state: State
    subject: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.state:<13}  {self.subject}" + (f": {self.detail}" if self.detail else "")


def ok(subject: str, detail: str = "") -> Finding:
    """It is as it should be."""
    return Finding(State.OK, subject, detail)


def missing(subject: str, detail: str) -> Finding:
    """It is not there, or not as it must be."""
    return Finding(State.MISSING, subject, detail)


def unseen(subject: str, detail: str) -> Finding:
    """It was not looked at."""
    return Finding(State.UNSEEN, subject, detail)


def judged(right: bool, subject: str, seen: str, otherwise: str) -> Finding:
    """``ok`` with what was ``seen`` if it is ``right``, else ``missing`` with what to do ``otherwise``."""
    return ok(subject, seen) if right else missing(subject, otherwise)


def summary(findings: Iterable[Finding]) -> dict[State, int]:
    """How many there are of each state."""
    states = [finding.state for finding in findings]
    return {state: states.count(state) for state in State}


def as_json(address: str, findings: list[Finding]) -> str:
    """One document: the address, the counts, and every finding."""
    counts = {str(state): count for state, count in summary(findings).items()}
    return json.dumps({"address": address, "counts": counts, "findings": [asdict(finding) for finding in findings]})
