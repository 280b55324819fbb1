"""Jobs whose engine needs no GPU."""

import azure.functions as func

from core.jobs.messages import CPU_REQUESTS
from functions.messages import run_job

blueprint = func.Blueprint()


@blueprint.queue_trigger(arg_name="message", queue_name=CPU_REQUESTS, connection="AzureWebJobsStorage")
def cpu_requests(message: func.QueueMessage) -> None:
    """Run one attempt at the job."""
    run_job(CPU_REQUESTS, message)
