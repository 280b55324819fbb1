"""What is kept of messages that failed too often, so that a person can look and send them again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from core.errors import DeadLetterNotFound, MessageFailed, RowNotFound
from core.jobs.messages import POISON_SUFFIX, WORK_QUEUES, JobMessage
from core.jobs.model import Model
from core.jobs.runner import JobRunner
from core.ports import Clock, Queues, Remove, Replace, Row, Table

_PARTITION = "dead-letters"
_KEPT_CHARACTERS = 8_000


class DeadLetter(Model):
    """A message that failed too often.

    Attributes:
        queue: where it came from, and where a replay sends it.
        body: what it said, cut to 8,000 characters.
        replayed_at: when it was sent again, last.
    """

    dead_letter_id: str
    queue: str
    body: str
    job_id: str | None
    died_at: datetime
    replayed_at: datetime | None = None


@dataclass(frozen=True)
class DeadLetters:
    """The dead letters, in a table."""

    table: Table
    queues: Queues
    runner: JobRunner
    clock: Clock

    def record(self, queue: str, message_id: str, body: str) -> DeadLetter:
        """Keep a message, and fail the job it was about. Twice the same message makes one letter."""
        queue = queue.removesuffix(POISON_SUFFIX)
        digest = hashlib.sha256(f"{queue}:{message_id}".encode()).hexdigest()[:24]
        letter = DeadLetter(
            dead_letter_id=digest,
            queue=queue,
            body=body[:_KEPT_CHARACTERS],
            job_id=_job_id(body),
            died_at=self.clock(),
        )
        self._store(letter)
        if letter.job_id and queue in WORK_QUEUES:
            self.runner.give_up(letter.job_id, MessageFailed(f"the message in {queue} failed too often"))
        return letter

    def page(self, limit: int) -> list[DeadLetter]:
        """The dead letters, at most ``limit``, newest first."""
        letters = [_decode(row) for row in self.table.scan(_PARTITION, "", "~", limit)]
        return sorted(letters, key=lambda letter: letter.died_at, reverse=True)

    def remove(self, dead_letter_id: str) -> None:
        """Forget a dead letter. Raises ``DeadLetterNotFound``."""
        try:
            self.table.commit(_PARTITION, Remove(dead_letter_id))
        except RowNotFound:
            raise DeadLetterNotFound(f"there is no dead letter {dead_letter_id!r}") from None

    def replay(self, dead_letter_id: str) -> DeadLetter:
        """Send the message to its queue again. Raises ``DeadLetterNotFound``."""
        try:
            letter = _decode(self.table.get(_PARTITION, dead_letter_id))
        except RowNotFound:
            raise DeadLetterNotFound(f"there is no dead letter {dead_letter_id!r}") from None
        self.queues.send(letter.queue, letter.body)
        replayed = letter.evolve(replayed_at=self.clock())
        self._store(replayed)
        return replayed

    def _store(self, letter: DeadLetter) -> None:
        self.table.commit(_PARTITION, Replace(letter.dead_letter_id, letter.model_dump_json()))


def _decode(row: Row) -> DeadLetter:
    return DeadLetter.model_validate_json(row.document)


def _job_id(body: str) -> str | None:
    try:
        return JobMessage.model_validate_json(body).job_id
    except ValidationError:
        return None
