"""From a question to its answer: the facts, the choice among them, and the words around them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.assistant.service import Assistant
from core.jobs.model import Job
from core.jobs.view import job_view
from core.questions.choosing import chosen
from core.questions.fact import Fact, Topic
from core.questions.facts.every import facts_of
from core.questions.understanding import understood
from core.questions.view import JobAnswer, fact_view
from core.songwriting.assistance import assistant_view

_HELD = {
    Topic.MADE: "how it was made",
    Topic.FOUND: "what was found in the audio",
    Topic.PARAMETERS: "which parameters were used",
    Topic.ADVICE: "what to change and by how much",
    Topic.TROUBLE: "what went wrong",
    Topic.TIMES: "when it ran and how long it took",
}


def answer(job: Job, question: str, assistant: Assistant | None, queue_position: int | None = None) -> JobAnswer:
    """The answer that ``JobQuestions.ask`` gives; without an ``assistant``, none is asked."""
    facts = facts_of(job.kind, job_view(job, queue_position))
    found = understood(question, facts)
    outcome = assistant and chosen(question, facts, found.facts, assistant)
    by_assistant = outcome.result if outcome else None
    answering = found.facts if by_assistant is None else by_assistant
    missing = found.missing if not by_assistant else ()
    return JobAnswer(
        job_id=job.job_id,
        question=question,
        answered=bool(answering),
        answer=_text(answering, missing, facts),
        facts=[fact_view(fact) for fact in answering],
        fields=list(dict.fromkeys(field for fact in answering for field in fact.fields)),
        assistant=assistant_view(outcome) if outcome else None,
    )


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
