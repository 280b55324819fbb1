"""What the queue functions share: reading a message, and where it goes when it cannot be read."""

import logging
from typing import TypeVar

import azure.functions as func
from pydantic import ValidationError

from core.bootstrap import bootstrap
from core.jobs.messages import JobMessage
from core.jobs.model import Model

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Model)


def run_job(queue: str, message: func.QueueMessage) -> None:
    """Run one attempt at the job that the message names."""
    if content := decoded(queue, message, JobMessage):
        bootstrap().runner.run(content.job_id)


def decoded(queue: str, message: func.QueueMessage, kind: type[M]) -> M | None:
    """The message's content. What will never decode becomes a dead letter at once instead of after five tries."""
    body = message.get_body().decode("utf-8", "replace")
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        log.error("a message in %s does not decode: %s", queue, error)
        bootstrap().dead_letters.record(queue, message.id or body, body)
        return None
