"""Files that are dropped into the inbox."""

import azure.functions as func
import azurefunctions.extensions.bindings.blob as blobs

from core.bootstrap import bootstrap
from core.separation.inbox import INBOX
from core.settings import settings

blueprint = func.Blueprint()


@blueprint.blob_trigger(
    arg_name="blob",
    path=f"{INBOX}/{{name}}",
    connection="AzureWebJobsStorage",
    source=func.BlobSource(settings().inbox_source),
)
def inbox(blob: blobs.BlobClient) -> None:
    """Start the job for a file. The client stands for the blob: the content may be gigabytes, and stays where it is."""
    bootstrap().inbox.receive(blob.blob_name)
