"""Separation jobs whose engine needs a GPU."""

import azure.functions as func

from core.jobs.messages import SEPARATION_REQUESTS
from functions.messages import run_job

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=SEPARATION_REQUESTS, connection="AzureWebJobsStorage")
def separation_requests(message: func.QueueMessage) -> None:
    """Run one attempt at the job."""
    run_job(SEPARATION_REQUESTS, message)
