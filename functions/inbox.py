"""Files that are dropped into the inbox."""

import azure.functions as func

from core.bootstrap import bootstrap
from core.separation.inbox import INBOX
from core.settings import settings
from functions.blob_reference import BlobReference

blueprint = func.Blueprint()


@blueprint.blob_trigger(
    arg_name="blob",
    path=f"{INBOX}/{{name}}",
    connection="AzureWebJobsStorage",
    source=func.BlobSource(settings().inbox_source),
)
def inbox(blob: BlobReference) -> None:
    """Start the job for a file. Its content may be gigabytes, and stays where it is."""
    bootstrap().inbox.receive(blob.name)
