"""A blob trigger's parameter that names the blob, and brings neither its content nor a client of it.

The host sends the content of a blob only if the function asks for it; ``azurefunctions-extensions-bindings-blob`` has
types for those that do not. They are clients of the SDK, and importing them costs a cold start 100 ms for a name.
"""

import json
from typing import Any

from azurefunctions.extensions.base import Datum, InConverter, SdkType


class BlobReference(SdkType):  # type: ignore[misc] # the package ships no type information
    """Where a blob is."""

    def __init__(self, *, container: str, name: str) -> None:
        super().__init__()
        self.container = container
        self.name = name

    def get_sdk_type(self) -> "BlobReference":
        """Itself: there is nothing behind it."""
        return self


class BlobReferenceConverter(  # type: ignore[call-arg] # its metaclass takes these arguments
    InConverter,  # type: ignore[misc] # as above
    binding="blob",
    trigger="blobTrigger",
):
    """Makes a ``BlobReference`` of what the host sends; defining it is what registers it."""

    @classmethod
    def check_input_type_annotation(cls, pytype: type) -> bool:
        return issubclass(pytype, BlobReference)

    @classmethod
    def decode(cls, data: Datum, *, trigger_metadata: Any, pytype: type) -> BlobReference:
        names = json.loads(data.value.content)
        return BlobReference(container=names["ContainerName"], name=names["BlobName"])
