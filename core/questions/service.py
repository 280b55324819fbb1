"""Questions about jobs, answered from what is on record of them, and from nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.assistant.service import Assistant
from core.jobs.model import Job

if TYPE_CHECKING:
    from core.questions.view import JobAnswer


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
        from core.questions.answering import answer  # a cold start need not wait for what its first request may not use

        return answer(job, question, self.assistant if use_assistant else None, queue_position)
