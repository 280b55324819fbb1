"""``Queues`` on Azure Queue storage. Messages are base64, as host.json says, and never expire by themselves."""

from __future__ import annotations

from contextlib import suppress

from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from core.settings import Settings
from core.storage.azure_account import RETRY_OPTIONS, service_client, translated_errors

_FOR_EVER = -1


def queue_service(settings: Settings) -> QueueServiceClient:
    """A client for the account's queues."""
    return service_client(QueueServiceClient, "queue", settings, **RETRY_OPTIONS)


class AzureQueues:
    """``Queues`` of the storage account; a queue is made when the first message is sent to it."""

    def __init__(self, service: QueueServiceClient) -> None:
        self._service = service
        self._clients: dict[str, QueueClient] = {}

    def ensure(self, *queues: str) -> None:
        """Make the queues that are missing."""
        for queue in queues:
            with translated_errors(), suppress(ResourceExistsError):
                self._client(queue).create_queue()

    def send(self, queue: str, body: str, delay_seconds: float = 0) -> None:
        client = self._client(queue)
        delay = round(delay_seconds)
        with translated_errors():
            try:
                client.send_message(body, visibility_timeout=delay, time_to_live=_FOR_EVER)
            except ResourceNotFoundError:
                self.ensure(queue)
                client.send_message(body, visibility_timeout=delay, time_to_live=_FOR_EVER)

    def count(self, queue: str) -> int:
        with translated_errors():
            try:
                return self._client(queue).get_queue_properties().approximate_message_count or 0
            except ResourceNotFoundError:
                return 0

    def _client(self, queue: str) -> QueueClient:
        if queue not in self._clients:
            client = self._service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy())
            self._clients[queue] = client
        return self._clients[queue]
