"""Messages that failed too often: kept as dead letters, and their jobs failed."""

import azure.functions as func

from core.bootstrap import bootstrap
from core.jobs.messages import CALLBACKS, CPU_REQUESTS, GENERATION_REQUESTS, POISON_SUFFIX, SEPARATION_REQUESTS

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=CPU_REQUESTS + POISON_SUFFIX, connection="AzureWebJobsStorage")
def cpu_requests_poison(message: func.QueueMessage) -> None:
    """Keep what failed in cpu-requests."""
    _record(CPU_REQUESTS, message)


@blueprint.queue_trigger(
    arg_name="message", queue_name=GENERATION_REQUESTS + POISON_SUFFIX, connection="AzureWebJobsStorage"
)
def generation_requests_poison(message: func.QueueMessage) -> None:
    """Keep what failed in generation-requests."""
    _record(GENERATION_REQUESTS, message)


@blueprint.queue_trigger(
    arg_name="message", queue_name=SEPARATION_REQUESTS + POISON_SUFFIX, connection="AzureWebJobsStorage"
)
def separation_requests_poison(message: func.QueueMessage) -> None:
    """Keep what failed in separation-requests."""
    _record(SEPARATION_REQUESTS, message)


@blueprint.queue_trigger(arg_name="message", queue_name=CALLBACKS + POISON_SUFFIX, connection="AzureWebJobsStorage")
def callbacks_poison(message: func.QueueMessage) -> None:
    """Keep what failed in callbacks."""
    _record(CALLBACKS, message)


def _record(queue: str, message: func.QueueMessage) -> None:
    body = message.get_body().decode("utf-8", "replace")
    bootstrap().dead_letters.record(queue, message.id or body, body)
