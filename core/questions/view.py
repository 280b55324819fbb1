"""What an answer about a job looks like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from core.questions.fact import Fact, Topic
from core.songwriting.assistance import AssistantView


class FactView(BaseModel):
    """One fact of the job's record."""

    model_config = ConfigDict(defer_build=True)

    text: str
    topic: Topic = Field(description="What it answers above all")
    fields: list[str] = Field(description="Where it is in the job, as JSON pointers into GET /v1/jobs/{job_id}")
    rule: str | None = Field(description="How the numbers follow that no field holds; null if all are held")


class JobAnswer(BaseModel):
    """The answer to a question about a job."""

    model_config = ConfigDict(defer_build=True)

    job_id: str
    question: str
    answered: bool = Field(description="Whether the job's record holds an answer")
    answer: str = Field(description="The facts in their order; without any, what the record does hold")
    facts: list[FactView]
    fields: list[str] = Field(description="All fields that the facts were made of")
    assistant: AssistantView | None = Field(description="The assistant's part in it; null if it was not to be asked")


def fact_view(fact: Fact) -> FactView:
    """A fact as clients see it."""
    return FactView(text=fact.text, topic=fact.topics[0], fields=list(fact.fields), rule=fact.rule)
