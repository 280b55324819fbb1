"""What goes wrong in production, done on purpose to a stack of our own: no job is lost, stuck, or finished twice."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from core.jobs.messages import CPU_REQUESTS
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.e2e.api import Api, new_id, problem
from tests.e2e.conftest import SETTINGS
from tests.integration.local_host import wait_for
from tests.receiver import Answer, Receiver

STEMS = ("drums", "bass", "guitar", "vocals", "other", "piano", "synth")
FAST_SETTINGS = SETTINGS | {
    "JOB_LEASE_SECONDS": "1.5",
    "CALLBACK_TIMEOUT_SECONDS": "1",
    "CALLBACK_RETRY_SECONDS": "1,1,1",
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:00",
}


class Stack:
    """Azurite and a host that can be killed, each on its own."""

    def __init__(self, folder: Path) -> None:
        self.azurite = Azurite(data_dir=folder)
        self.azurite.start()
        prepare_storage(self.azurite.connection_string)
        self.host = self.new_host()

    def new_host(self) -> HostProcess:
        self.host = HostProcess(self.azurite.connection_string, settings=FAST_SETTINGS).start()
        return self.host

    @property
    def api(self) -> Api:
        return Api(self.host.base_url)

    def run(self, function: str) -> None:
        """Run a timer's function now, to its end."""
        answer = httpx.post(f"{self.host.base_url}/admin/functions/{function}?wait=true", json={}, timeout=30)
        assert answer.status_code == 200, self.host.log()

    def send(self, queue: str, body: str) -> None:
        service = QueueServiceClient.from_connection_string(self.azurite.connection_string)
        service.get_queue_client(queue, message_encode_policy=TextBase64EncodePolicy()).send_message(body)

    def send_raw(self, queue: str, body: str) -> None:
        QueueServiceClient.from_connection_string(self.azurite.connection_string).get_queue_client(queue).send_message(
            body
        )

    def written_at(self, job_id: str, name: str) -> Any:
        service = BlobServiceClient.from_connection_string(self.azurite.connection_string)
        return service.get_blob_client("audio-files", f"{job_id}/generated/{job_id}/{name}").get_blob_properties().etag

    def stop(self) -> None:
        self.host.kill()
        self.azurite.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("azurite"))
    yield stack
    stack.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_a_worker_killed_in_the_middle_loses_nothing_and_makes_nothing_twice(stack: Stack, receiver: Receiver) -> None:
    parameters = {"duration_seconds": 120}
    job_id = stack.api.generate(*STEMS, parameters=parameters, callback_url=receiver.url).json()["job_id"]
    job = stack.api.wait_for(job_id, lambda job: len(job["outputs"]) >= 2)
    assert job["status"] == "processing"
    first_stem = stack.written_at(job_id, "drums.wav")
    stack.host.kill()
    stack.new_host()
    assert stack.api.job(job_id)["status"] == "processing"

    def recovered() -> bool:
        stack.run("recover_jobs")  # the timer would come within a minute
        return bool(stack.api.job(job_id)["attempt"] == 2)

    wait_for(recovered, 30)
    job = stack.api.wait_for_end(job_id)
    assert (job["status"], job["attempt"]) == ("completed", 2)
    assert [output["name"] for output in job["outputs"]] == [f"{stem}.wav" for stem in STEMS]
    assert stack.written_at(job_id, "drums.wav") == first_stem
    (received,) = receiver.wait_for(1)
    assert received.json()["data"]["attempt"] == 2


def test_a_message_that_is_delivered_twice_makes_one_result(stack: Stack, receiver: Receiver) -> None:
    parameters = {"duration_seconds": 120}
    job_id = stack.api.generate(*STEMS, parameters=parameters, callback_url=receiver.url).json()["job_id"]
    stack.api.wait_for(job_id, lambda job: job["status"] == "processing")
    stack.send(CPU_REQUESTS, f'{{"job_id": "{job_id}"}}')
    job = stack.api.wait_for_end(job_id)
    stack.send(CPU_REQUESTS, f'{{"job_id": "{job_id}"}}')
    last = stack.api.generate("bass", callback_url=receiver.url).json()["job_id"]
    stack.api.wait_for_end(last)
    told = [received.json()["data"]["job_id"] for received in receiver.wait_for(2)]
    assert sorted(told) == sorted([job_id, last])
    assert stack.api.job(job_id) == job
    assert (job["status"], job["attempt"]) == ("completed", 1)


@pytest.mark.parametrize(
    "text", ["not base64 !!", base64.b64encode(b"{}").decode(), base64.b64encode(b"\xff").decode()]
)
def test_a_message_that_cannot_be_read_harms_nobody(stack: Stack, text: str) -> None:
    stack.send_raw(CPU_REQUESTS, text)
    job_id = stack.api.generate("bass").json()["job_id"]
    assert stack.api.wait_for_end(job_id)["status"] == "completed"
    wait_for(lambda: text not in _visible(stack, CPU_REQUESTS))
    assert stack.host.exit_status() is None


def test_an_unreadable_message_becomes_a_dead_letter(stack: Stack) -> None:
    marker = new_id("rubbish")
    stack.send(CPU_REQUESTS, marker)
    letters = wait_for(lambda: [letter for letter in _dead_letters(stack) if letter["body"] == marker])
    assert (letters[0]["queue"], letters[0]["job_id"]) == (CPU_REQUESTS, None)


def test_a_receiver_that_fails_is_told_again_until_it_takes_it(stack: Stack) -> None:
    with Receiver(Answer(500), Answer(302, {"location": "/elsewhere"}), Answer(200)) as receiver:
        job_id = stack.api.generate("bass", callback_url=receiver.url).json()["job_id"]
        received = receiver.wait_for(3)
    assert len({one.headers["webhook-id"] for one in received}) == 1
    wait_for(lambda: _delivery(stack, job_id)["status"] == "delivered")
    assert [made["status_code"] for made in _delivery(stack, job_id)["tries"]] == [500, 302, 200]
    assert {one.path for one in received} == {"/hook"}  # the redirect was not followed


def test_a_receiver_that_is_gone_is_not_called_again(stack: Stack) -> None:
    with Receiver(Answer(410)) as receiver:
        job_id = stack.api.generate("bass", callback_url=receiver.url).json()["job_id"]
        wait_for(lambda: _delivery(stack, job_id)["status"] == "disabled")
        assert len(receiver.received) == 1


def test_a_receiver_that_is_down_or_hangs_never_holds_up_a_worker(stack: Stack) -> None:
    release = threading.Event()
    with Receiver(Answer(wait=lambda: release.wait(30))) as hanging:
        ids = [stack.api.generate("bass", callback_url=hanging.url).json()["job_id"] for _ in range(12)]
        ids.append(stack.api.generate("bass", callback_url="http://127.0.0.1:9/nobody").json()["job_id"])
        jobs = [stack.api.wait_for_end(job_id, 20) for job_id in ids]
        assert {job["status"] for job in jobs} == {"completed"}
        assert not release.is_set()
        release.set()
    tries = wait_for(lambda: _delivery(stack, ids[-1])["tries"])
    assert tries[0]["status_code"] is None and tries[0]["error"]


def test_while_storage_is_down_requests_are_refused_and_nothing_is_half_made(stack: Stack) -> None:
    before = stack.api.http.get("/v1/jobs").json()["jobs"]
    stack.azurite.stop()
    try:
        answer = stack.api.generate("bass")
        problem(answer, 503, "storage-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        problem(stack.api.http.get("/readyz"), 503, "storage-unavailable")
        problem(stack.api.http.get("/v1/jobs"), 503, "storage-unavailable")
        assert stack.api.http.get("/healthz").status_code == 200
        assert stack.api.http.get("/health").json()["services"]["storage"] == "disconnected"
    finally:
        stack.azurite.start()
    assert [job["job_id"] for job in stack.api.http.get("/v1/jobs").json()["jobs"]] == [job["job_id"] for job in before]
    job_id = stack.api.generate("bass").json()["job_id"]
    assert stack.api.wait_for_end(job_id)["status"] == "completed"


def test_a_host_that_is_told_to_stop_finishes_what_it_has_begun(stack: Stack) -> None:
    parameters = {"duration_seconds": 120}
    job_id = stack.api.generate(*STEMS, parameters=parameters).json()["job_id"]
    stack.api.wait_for(job_id, lambda job: job["progress"] > 0)
    assert stack.host.stop() == 0
    stack.new_host()
    job = stack.api.job(job_id)
    assert (job["status"], job["attempt"]) == ("completed", 1)


def _delivery(stack: Stack, job_id: str) -> dict[str, Any]:
    def first() -> list[dict[str, Any]]:
        return list(stack.api.http.get(f"/v1/jobs/{job_id}/deliveries").json()["deliveries"])

    return wait_for(first)[0]


def _dead_letters(stack: Stack) -> list[dict[str, Any]]:
    return list(stack.api.http.get("/v1/dead-letters").json()["dead_letters"])


def _visible(stack: Stack, queue: str) -> list[str]:
    service = QueueServiceClient.from_connection_string(stack.azurite.connection_string)
    return [message.content for message in service.get_queue_client(queue).peek_messages(32)]
