"""The storage account: connection string or identity, and what is the same for tables, queues and blobs.

Nothing is read from the network until the first call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Self, TypeVar

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseError,
)

from core.azure_identity import credential
from core.errors import StorageError, StorageUnavailable
from core.settings import DEVELOPMENT_STORAGE, Settings

# The account that every Azurite has; the key is public (Azurite's documentation).
_AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6"
    "IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)

# Three tries within about a second: longer outages are the caller's to wait for (503) or the queue's (another attempt).
# The storage SDKs wait initial_backoff + increment_base ** try, so these come to 0.7 and 0.45 s.
RETRY_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 0.2,
    "increment_base": 0.5,
    "random_jitter_range": 0.1,
}
TABLE_RETRY_OPTIONS: dict[str, Any] = {"retry_total": 2, "retry_backoff_factor": 0.2}


def connection_string(settings: Settings) -> str | None:
    """The connection string, or ``None`` where the account is reached by identity."""
    if settings.storage_connection == DEVELOPMENT_STORAGE:
        return _AZURITE
    if settings.storage_connection or settings.storage_account:
        return settings.storage_connection or None
    raise ValueError(
        "no storage account: set AzureWebJobsStorage to a connection string, or AzureWebJobsStorage__accountName"
        " to reach an account by identity"
    )


class _ServiceClient(Protocol):
    def __init__(self, account_url: str, credential: Any, **options: Any) -> None: ...

    @classmethod
    def from_connection_string(cls, conn_str: str, **options: Any) -> Self: ...


C = TypeVar("C", bound=_ServiceClient)


def service_client(kind: type[C], service: str, settings: Settings, **options: Any) -> C:
    """The SDK's client for the account's ``blob``, ``queue`` or ``table`` service."""
    options = {"connection_timeout": 5, "read_timeout": 30, **options}
    if connection := connection_string(settings):
        return kind.from_connection_string(connection, **options)
    return kind(endpoint(settings, service), credential=credential(settings), **options)


def endpoint(settings: Settings, service: str) -> str:
    """The address of ``blob``, ``queue`` or ``table`` in an account reached by identity."""
    return f"https://{settings.storage_account}.{service}.core.windows.net"


@contextmanager
def translated_errors(known: dict[int, type[StorageError]] | None = None) -> Iterator[None]:
    """Turn the SDK's errors into ours: the status codes in ``known``, and everything that another try may mend."""
    try:
        yield
    except (ServiceRequestError, ServiceResponseError, IncompleteReadError) as error:
        raise StorageUnavailable(f"storage does not answer: {_first_line(error)}") from error
    except HttpResponseError as error:
        status = error.status_code or 0
        if known and status in known:
            raise known[status](_first_line(error)) from error
        if not status or status in (408, 429) or status >= 500:  # no status: the answer broke off
            raise StorageUnavailable(f"storage answered {status}: {_first_line(error)}") from error
        raise StorageError(f"storage refused ({status}): {_first_line(error)}") from error


def _first_line(error: AzureError) -> str:
    return (str(error.message) or type(error).__name__).splitlines()[0]
