"""Generation jobs whose engine needs a GPU."""

import azure.functions as func

from core.jobs.messages import GENERATION_REQUESTS
from functions.messages import run_job

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=GENERATION_REQUESTS, connection="AzureWebJobsStorage")
def generation_requests(message: func.QueueMessage) -> None:
    """Run one attempt at the job."""
    run_job(GENERATION_REQUESTS, message)
