"""Each contract test runs twice: over the in-memory adapters and over the Azure ones on Azurite."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient, TextBase64DecodePolicy

from core.bootstrap import TABLES, Services, Storage, build, memory_storage
from core.generation.request import GenerationRequest
from core.jobs.messages import QUEUES
from core.jobs.model import Job
from core.settings import Settings
from core.storage.azure_blobs import AzureBlobs, blob_service
from core.storage.azure_queues import AzureQueues, queue_service
from core.storage.azure_tables import AzureTable, table_service
from local.azurite import Azurite
from tests.clock import Clock

Receive = Callable[[str], list[str]]


@dataclass
class Account:
    """A storage account under test, and a look into its queues, which the product itself never takes."""

    storage: Storage
    receive: Receive


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "azure"])
def account(request: pytest.FixtureRequest) -> Account:
    if request.param == "memory":
        storage = memory_storage()
        queues: Any = storage.queues
        return Account(storage, lambda queue: _drain_memory(queues, queue))
    return azure_account(request.getfixturevalue("azurite"))


@pytest.fixture
def storage(account: Account) -> Storage:
    return account.storage


@pytest.fixture
def services(storage: Storage, clock: Clock) -> Services:
    settings = Settings.read({"ALLOW_PRIVATE_CALLBACKS": "true", "JOB_LEASE_SECONDS": "60", "JOB_ATTEMPTS": "3"})
    return build(settings, storage, clock=clock)


@pytest.fixture
def new_job(services: Services) -> Callable[..., Job]:
    """Makes jobs of half a second of bass, not yet submitted."""

    def make(job_id: str | None = None, **fields: Any) -> Job:
        body = {"target_stems": ["bass"], "parameters": {"duration_seconds": 0.5, "random_seed": 1}} | fields
        request = GenerationRequest.model_validate(body)
        return services.generations.planner.plan(request, job_id=job_id or uuid.uuid4().hex)

    return make


def _drain_memory(queues: Any, queue: str) -> list[str]:
    bodies = []
    while received := queues.receive(queue):
        bodies.append(received[1])
    return bodies


def azure_account(azurite: Azurite) -> Account:
    settings = Settings.read({"AzureWebJobsStorage": azurite.connection_string})
    tables = table_service(settings)
    queues = AzureQueues(queue_service(settings))
    service = QueueServiceClient.from_connection_string(azurite.connection_string)
    for queue in QUEUES:
        queues.ensure(queue)
        service.get_queue_client(queue).clear_messages()
    names = {name: AzureTable(tables, f"{name}{uuid.uuid4().hex}") for name in TABLES}
    storage = Storage(dict(names), queues, AzureBlobs(blob_service(settings)), lambda: None)
    return Account(storage, lambda queue: _drain_azure(service, queue))


def _drain_azure(service: QueueServiceClient, queue: str) -> list[str]:
    client = service.get_queue_client(queue, message_decode_policy=TextBase64DecodePolicy())
    bodies = []
    for message in client.receive_messages(visibility_timeout=30):
        bodies.append(message.content)
        client.delete_message(message)
    return bodies
