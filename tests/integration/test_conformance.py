"""The app under Microsoft's own worker code, ``azure-functions-runtime``, over Azurite.

Microsoft's: the code that imports ``function_app.py``, checks and lists its functions, decodes what triggers them, runs
them, and serves HTTP as a stream. Ours: what stands for the host (which function a path belongs to, what a queue
message looks like when it reaches the worker) and for the protobuf messages in between; the docstring of
``functions_runtime_worker.py`` says more. So this proves that the app loads, and that its functions run as the worker
runs them; not what the host does by itself: polling, retries, poison queues, schedules, scaling.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from itertools import combinations
from typing import Any

import httpx
import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient, QueueMessage, TextBase64DecodePolicy

from core.bootstrap import build, memory_storage
from core.jobs.messages import CPU_REQUESTS
from core.settings import Settings
from functions.http.app import create_app
from functions.http.functions import ROUTES
from local.azurite import Azurite
from local.stack import prepare_storage
from tests.integration.functions_runtime import EXAMPLE_SETTINGS, PROJECT, FunctionsRuntime, overlap, settings_named
from tests.songs import encoded, song

HTTP = {
    "httpTrigger": set(ROUTES),
    "queueTrigger": {
        "cpu_requests",
        "callbacks",
        "cpu_requests_poison",
        "generation_requests_poison",
        "separation_requests_poison",
        "callbacks_poison",
    },
    "blobTrigger": {"inbox"},
    "timerTrigger": {"recover_jobs", "expire_files"},
}
GPU = {
    "httpTrigger": {"healthz"},
    "queueTrigger": {"generation_requests", "separation_requests"},
    "blobTrigger": set(),
    "timerTrigger": set(),
}
FUNCTIONS = {"http": HTTP, "gpu": GPU, "all": {trigger: HTTP[trigger] | GPU[trigger] for trigger in HTTP}}

GENERATION = {"target_stems": ["bass"], "parameters": {"duration_seconds": 0.5, "random_seed": 1}}
TIMER = {
    "IsPastDue": False,
    "Schedule": {"AdjustForDST": True},
    "ScheduleStatus": {"Last": "2026-01-01T00:00:00Z", "Next": "2026-01-01T00:01:00Z"},
}

Role = Callable[[str], FunctionsRuntime]


@pytest.fixture(scope="module")
def role(azurite: Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Role]:
    """Gives the worker process of a role, started once; the app's timer finds every queued job lost."""
    prepare_storage(azurite.connection_string)
    folder = tmp_path_factory.mktemp("conformance")
    settings = {"AzureWebJobsStorage": azurite.connection_string, "RESEND_AFTER_SECONDS": "0.001"}
    with ExitStack() as running:

        @cache
        def started(name: str) -> FunctionsRuntime:
            return running.enter_context(FunctionsRuntime(folder / f"{name}.log", STEMWORKS_ROLE=name, **settings))

        yield started


@pytest.fixture
def take(azurite: Azurite) -> Callable[[str], QueueMessage]:
    """Takes a job's message from its queue."""
    queue = QueueClient.from_connection_string(
        azurite.connection_string, CPU_REQUESTS, message_decode_policy=TextBase64DecodePolicy()
    )

    def message_of(job_id: str) -> QueueMessage:
        [found] = [message for message in queue.receive_messages() if job_id in message.content]
        queue.delete_message(found)
        return found

    return message_of


def as_the_host_sends(message: QueueMessage) -> dict[str, Any]:
    """The trigger metadata of a queue message: the keys of a JSON body are merged over the host's own."""
    own = {
        "Id": message.id,
        "DequeueCount": message.dequeue_count,
        "PopReceipt": message.pop_receipt,
        "InsertionTime": message.inserted_on.isoformat(),
        "ExpirationTime": message.expires_on.isoformat(),
        "NextVisibleTime": message.next_visible_on.isoformat(),
        "QueueTrigger": message.content,
    }
    body = json.loads(message.content)
    clashes = {name.lower() for name in own} & {name.lower() for name in body}
    assert not clashes, f"the host would take {clashes} of the body for the message's own"
    return own | body


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_role_loads_and_has_exactly_its_functions(role: Role, name: str) -> None:
    runtime = role(name)
    assert {trigger: runtime.of_type(trigger) for trigger in FUNCTIONS[name]} == FUNCTIONS[name]
    assert set(runtime.bindings) == set().union(*FUNCTIONS[name].values()), "a function has another trigger"


def test_the_light_role_loads_nothing_heavy(role: Role) -> None:
    assert "fastapi" in role("http").modules
    assert not role("http").modules & {"torch", "scipy", "librosa"}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_role_answers_its_health_check(role: Role, name: str) -> None:
    answer = role(name).request("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["content-type"] == "application/json"


def test_a_bad_request_is_answered_with_a_problem_document(role: Role) -> None:
    answer = role("http").request("POST", "/v1/generations", json=GENERATION | {"target_stems": ["kazoo"]})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/target_stems/0"]


def test_a_job_is_accepted_run_from_its_message_and_watched_meanwhile(
    role: Role, take: Callable[[str], QueueMessage]
) -> None:
    runtime = role("http")
    accepted = runtime.request("POST", "/v1/generations", json=GENERATION)
    assert accepted.status_code == 202
    job = accepted.headers["location"]
    message = take(accepted.json()["job_id"])

    with runtime.stream("GET", f"{job}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = (line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: "))
        assert next(events) == "job.queued", "the first chunk is here before the job, which ends the stream, has begun"
        runtime.run("cpu_requests", "string", message.content, **as_the_host_sends(message))
        assert list(events)[-1] == "job.completed"

    [stem] = runtime.request("GET", job).json()["outputs"]
    link = runtime.request("GET", f"{job}/files/{stem['name']}")
    assert link.status_code == 302
    stored = httpx.get(link.headers["location"]).raise_for_status().content
    assert hashlib.sha256(stored).hexdigest() == stem["sha256"]


def test_the_timer_sends_a_job_again_whose_message_was_lost(role: Role, take: Callable[[str], QueueMessage]) -> None:
    runtime = role("http")
    job_id = runtime.request("POST", "/v1/generations", json=GENERATION).json()["job_id"]
    lost = take(job_id)
    runtime.run("recover_jobs", "json", json.dumps(TIMER))
    assert take(job_id).content == lost.content


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_documentation_is_ours(role: Role, path: str) -> None:
    with role("http").stream("GET", path) as answer:
        assert "Stemworks" in answer.read().decode()


def test_every_path_of_the_api_belongs_to_one_function(role: Role) -> None:
    api = create_app(lambda: build(Settings.read({}), memory_storage()))
    paths = {*api.openapi()["paths"], api.openapi_url, "/docs", "/docs/assets/swagger-ui.css"}
    assert "/v1/jobs/{job_id}" in paths
    for path in paths:
        role("all").route(path)


def test_routes_do_not_overlap(role: Role) -> None:
    runtime = role("all")
    routes = {name: runtime.trigger(name)["route"] for name in runtime.of_type("httpTrigger")}
    clashes = [pair for pair in combinations(sorted(routes), 2) if overlap(*(routes[name] for name in pair))]
    assert not clashes, "the host takes the first by name, however specific the other"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("v1/jobs/{*rest}", "v1/jobs", True),
        ("v1/jobs/{*rest}", "V1/Jobs/{id}/files", True),
        ("v1/{name}", "v1/engines", True),
        ("health", "healthz", False),
        ("v1/jobs/{*rest}", "v1/engines", False),
        ("v1/{name}", "v1/engines/{name}", False),
    ],
)
def test_overlapping_routes_are_recognised(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) == overlap(other, one) == expected


def test_queue_names_are_ones_that_storage_takes(role: Role) -> None:
    runtime = role("all")
    names = [runtime.trigger(function)["queueName"] for function in runtime.of_type("queueTrigger")]
    assert len(set(names)) == len(names), "two functions would share the messages of one queue"
    for name in names:
        assert name == name.lower(), "the host polls the lower-case name, the SDK refuses the other"


def test_the_settings_are_complete(role: Role) -> None:
    host = json.loads((PROJECT / "host.json").read_text())
    assert host["version"] == "2.0"
    assert host["extensions"]["http"]["routePrefix"] == ""
    assert host["extensions"]["queues"]["messageEncoding"] == "base64"
    assert EXAMPLE_SETTINGS["FUNCTIONS_WORKER_RUNTIME"] == "python"
    assert EXAMPLE_SETTINGS["PYTHON_ENABLE_INIT_INDEXING"] == "1", "HTTP calls would hang under Python 3.11 and 3.12"
    bindings = [binding for found in role("all").bindings.values() for binding in found]
    connections = {binding["connection"] for binding in bindings if "connection" in binding}
    assert "AzureWebJobsStorage" in connections
    assert connections | settings_named(json.dumps([host, bindings])) <= set(EXAMPLE_SETTINGS)


def test_a_file_in_the_inbox_becomes_a_job_without_its_content_passing_by(role: Role, azurite: Azurite) -> None:
    blobs = BlobServiceClient.from_connection_string(azurite.connection_string)
    blobs.get_blob_client("inbox", "conformance.wav").upload_blob(encoded(song(1.0)), overwrite=True)
    client = {"Connection": "AzureWebJobsStorage", "ContainerName": "inbox", "BlobName": "conformance.wav"}
    role("http").run("inbox", "model_binding_data", client)
    jobs = role("http").request("GET", "/v1/jobs?kind=separation").json()["jobs"]
    assert [job["request"]["source"]["name"] for job in jobs] == ["conformance.wav"]
