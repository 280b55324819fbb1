"""Delivers callbacks, one message a try."""

import azure.functions as func

from core.bootstrap import bootstrap
from core.jobs.messages import CALLBACKS, CallbackMessage
from functions.messages import decoded

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=CALLBACKS, connection="AzureWebJobsStorage")
def callbacks(message: func.QueueMessage) -> None:
    """Make one try; a failed one queues the next by itself."""
    if content := decoded(CALLBACKS, message, CallbackMessage):
        bootstrap().deliveries.deliver(content)
