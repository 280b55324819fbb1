"""One code base, two apps: a process that answers HTTP and one that holds the GPU share nothing but storage."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from core.jobs.messages import CPU_REQUESTS, GENERATION_REQUESTS
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.e2e.api import Api


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    with Azurite() as azurite:
        prepare_storage(azurite.connection_string)
        yield azurite


def host(storage: Azurite, role: str, **settings: str) -> HostProcess:
    return HostProcess(storage.connection_string, settings={"STEMWORKS_ROLE": role, **settings})


def move_message(storage: Azurite, job_id: str) -> None:
    """Put the job where a job of a GPU engine would wait."""
    service = QueueServiceClient.from_connection_string(storage.connection_string)
    service.get_queue_client(CPU_REQUESTS).clear_messages()
    queue = service.get_queue_client(GENERATION_REQUESTS, message_encode_policy=TextBase64EncodePolicy())
    queue.send_message(f'{{"job_id": "{job_id}"}}')


def test_the_gpu_app_does_what_the_http_app_accepted(storage: Azurite) -> None:
    with host(storage, "http", **{"AzureWebJobs.cpu_requests.Disabled": "true"}) as front:
        api = Api(front.base_url)
        job_id = api.generate("bass").json()["job_id"]
        move_message(storage, job_id)
        assert api.job(job_id)["status"] == "queued"
        with host(storage, "gpu") as worker:
            assert api.wait_for_end(job_id)["status"] == "completed"
            assert httpx.get(f"{worker.base_url}/healthz").json() == {"status": "ok"}
            assert httpx.get(f"{worker.base_url}/v1/jobs").status_code == 404


def test_the_http_app_makes_what_needs_no_gpu_by_itself(storage: Azurite) -> None:
    with host(storage, "http") as front:
        api = Api(front.base_url)
        job = api.wait_for_end(api.generate("bass").json()["job_id"])
        assert job["status"] == "completed"
