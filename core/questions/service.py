"""Questions about jobs, answered from what is on record of them, and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from core.assistant.service import Assistant
from core.jobs.model import Job
from core.jobs.view import job_view
from core.questions.choosing import chosen
from core.questions.fact import Fact, Topic
from core.questions.facts.every import facts_of
from core.questions.understanding import Understood, understood
from core.questions.view import JobAnswer, fact_view
from core.songwriting.assistance import AssistantView, assistant_view

_HELD = {
    Topic.MADE: "how it was made",
    Topic.FOUND: "what was found in the audio",
    Topic.PARAMETERS: "which parameters were used",
    Topic.ADVICE: "what to change and by how much",
    Topic.TROUBLE: "what went wrong",
    Topic.TIMES: "when it ran and how long it took",
}


@dataclass(frozen=True)
class JobQuestions:
    """Answers questions about jobs of any kind, in any state."""

    assistant: Assistant

    def ask(
        self, job: Job, question: str, *, use_assistant: bool = True, queue_position: int | None = None
    ) -> JobAnswer:
        """The answer to ``question``: facts of the job's record, or a no that says what the record holds.

        Where a service is set up it chooses among these facts, unless ``use_assistant`` is false; what it chooses that
        cannot be used is left aside, and the choice made here stands.
        """
        facts = facts_of(job.kind, job_view(job, queue_position))
        found = understood(question, facts)
        answering, part = self._answering(question, facts, found) if use_assistant else (found.facts, None)
        missing = found.missing if answering == found.facts else ()
        return JobAnswer(
            job_id=job.job_id,
            question=question,
            answered=bool(answering),
            answer=_text(answering, missing, facts),
            facts=[fact_view(fact) for fact in answering],
            fields=list(dict.fromkeys(field for fact in answering for field in fact.fields)),
            assistant=part,
        )

    def _answering(
        self, question: str, facts: Sequence[Fact], found: Understood
    ) -> tuple[tuple[Fact, ...], AssistantView]:
        outcome = chosen(question, facts, found.facts, self.assistant)
        return found.facts if outcome.result is None else outcome.result, assistant_view(outcome)


def _text(answering: Sequence[Fact], missing: Sequence[str], facts: Sequence[Fact]) -> str:
    if not answering:
        return _no(missing, facts)
    sentences = [fact.text for fact in answering]
    if missing:
        sentences.append(f"The job's record says nothing of: {_listed(missing)}.")
    return " ".join(sentences)


def _no(missing: Sequence[str], facts: Sequence[Fact]) -> str:
    """That the record does not hold it, and what it holds."""
    of = f" of {_listed(missing)}" if missing else " that answers this"
    held = [told for topic, told in _HELD.items() if any(topic in fact.topics for fact in facts)]
    return f"The job's record holds nothing{of}. It tells {', '.join(held)}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(re.sub(r"(?<=track)(?=[12])", " ", name.replace("_", " ")) for name in names)
