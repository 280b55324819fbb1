"""The local host's queue trigger against the facts of the Storage Queues extension."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from azure.storage.queue import QueueClient

from local.azurite import Azurite
from local.functions import FunctionFailed
from local.queue_trigger import Backoff, Lease, QueueListener, QueueOptions
from local.storage import Storage
from tests.integration.local_host import SampleHost, encoded, exists, wait_for

QUICK = QueueOptions(max_polling_seconds=0.2, max_dequeue_count=2)
Handler = Callable[[Lease], Awaitable[None]]


class InProcess:
    """One listener on one queue, in this process, for what takes minutes with the real intervals."""

    def __init__(self, azurite: Azurite, queue_name: str) -> None:
        self.queue_name = queue_name
        self.storage = Storage(azurite.connection_string)
        self.queue = self.storage.queue(queue_name)
        self.poison = self.storage.queue(queue_name + "-poison")

    def run(self, options: QueueOptions, handle: Handler, until: Callable[[], object]) -> None:
        """Listen until a condition holds."""

        async def scenario() -> None:
            stopping = asyncio.Event()
            listener = asyncio.create_task(QueueListener(self.storage, self.queue_name, options, handle).run(stopping))
            await asyncio.to_thread(wait_for, until)
            stopping.set()
            await listener

        asyncio.run(scenario())


@pytest.fixture
def in_process(azurite: Azurite, unique_name: Callable[[str], str]) -> InProcess:
    return InProcess(azurite, unique_name("q"))


async def failing(lease: Lease) -> None:
    raise FunctionFailed("always")


def message_count(queue: QueueClient) -> int:
    return queue.get_queue_properties().approximate_message_count or 0


def test_a_message_is_decoded_passed_with_its_metadata_and_deleted(sample_host: SampleHost) -> None:
    queue = sample_host.queue("jobs")
    sent = queue.send_message(encoded('{"job_id": "ä"}'))
    (event,) = sample_host.wait_for_events("jobs", body='{"job_id": "ä"}')
    assert event["id"] == sent.id
    assert event["dequeue_count"] == 1
    assert event["pop_receipt"]
    assert event["inserted"] == str(sent.inserted_on)
    assert event["expires"] == str(sent.expires_on)
    wait_for(lambda: message_count(queue) == 0)


def test_keys_of_the_message_overwrite_the_trigger_metadata_without_regard_to_case(sample_host: SampleHost) -> None:
    body = json.dumps({"ID": "from the body", "DequeueCount": 41})
    sample_host.queue("jobs").send_message(encoded(body))
    (event,) = sample_host.wait_for_events("jobs", body=body)
    assert (event["id"], event["dequeue_count"]) == ("from the body", 41)


def test_a_failing_message_is_tried_three_times_then_poisoned_and_logged_once_each(sample_host: SampleHost) -> None:
    sent = sample_host.queue("jobs").send_message(encoded("fail"))
    (dead,) = sample_host.wait_for_events("dead_letters", body="fail")
    tries = sample_host.events("jobs", id=sent.id)
    assert [event["dequeue_count"] for event in tries] == [1, 2, 3]
    assert dead["id"] != sent.id, "poison is a new message"
    assert sample_host.process.log().count("ValueError: the job cannot be done") == 3


def test_an_undecodable_message_goes_straight_to_poison_as_it_was(sample_host: SampleHost) -> None:
    queue, poison = sample_host.queue("slow"), sample_host.queue("slow-poison", create=False)
    queue.send_message("this is {not} base64")
    wait_for(lambda: exists(poison) and poison.peek_messages())
    assert poison.peek_messages()[0].content == "this is {not} base64"
    assert sample_host.events("slow", body="this is {not} base64") == []


def test_a_failing_message_of_a_poison_queue_stays_there_invisible(sample_host: SampleHost) -> None:
    queue = sample_host.queue("sour-poison")
    queue.send_message(encoded("sour"))
    sample_host.wait_for_events("failing_dead_letters")
    wait_for(lambda: "has no poison queue" in sample_host.process.log())
    assert message_count(queue) == 1
    assert queue.peek_messages() == [], "it is invisible until its lease ends"
    assert not exists(sample_host.queue("sour-poison-poison", create=False))


def most_running(host: SampleHost) -> int:
    """How many of the slow function ran at once, at the most."""
    running = [0]
    for event in host.events("slow"):
        running.append(running[-1] + (1 if event["event"] == "started" else -1))
    return max(running)


def test_batch_size_and_threshold_together_limit_what_runs_at_once(sample_host: SampleHost) -> None:
    queue = sample_host.queue("slow")
    for number in range(6):
        queue.send_message(encoded(f"parallel-{number}"))
    first, *_ = sample_host.wait_for_events("slow", count=2, event="started")
    sample_host.release("release-" + first["body"])
    wait_for(lambda: most_running(sample_host) == 3)  # one runs on, and a batch of two beside it
    for number in range(6):
        sample_host.release(f"release-parallel-{number}")
    sample_host.wait_for_events("slow", count=6, event="finished")
    assert most_running(sample_host) == 3, "batchSize 2 + newBatchThreshold 1"


def test_async_functions_run_on_the_loop_and_others_in_a_pool(sample_host: SampleHost) -> None:
    sample_host.queue("jobs").send_message(encoded("where"))
    sample_host.queue("slow").send_message(encoded("where"))
    sample_host.release("release-where")
    assert sample_host.wait_for_events("jobs", body="where")[0]["thread"] == "MainThread"
    assert sample_host.wait_for_events("slow", body="where")[0]["thread"].startswith("function")


def test_a_message_received_too_often_is_poisoned_without_a_run(in_process: InProcess) -> None:
    in_process.queue.create_queue()
    in_process.queue.send_message(encoded("worn out"))
    for _ in range(QUICK.max_dequeue_count):
        message = in_process.queue.receive_message()
        in_process.queue.update_message(message, visibility_timeout=0)
    runs: list[Lease] = []

    async def handle(lease: Lease) -> None:
        runs.append(lease)

    in_process.run(QUICK, handle, lambda: exists(in_process.poison) and message_count(in_process.poison))
    assert runs == []
    assert message_count(in_process.queue) == 0
    assert in_process.poison.receive_message().content == encoded("worn out")


def test_a_retry_waits_for_the_visibility_timeout(in_process: InProcess) -> None:
    in_process.queue.create_queue()
    in_process.queue.send_message(encoded("again"))
    invisible: list[bool] = []

    async def handle(lease: Lease) -> None:
        invisible.append(lease.attempt == 1)
        raise FunctionFailed("always")

    options = replace(QUICK, visibility_timeout_seconds=300.0)
    in_process.run(options, handle, lambda: invisible)
    assert message_count(in_process.queue) == 1
    assert in_process.queue.receive_message() is None, "it is there, and not to be had for five minutes"


def test_the_lease_is_renewed_while_the_function_runs_and_its_receipt_changes(in_process: InProcess) -> None:
    in_process.queue.create_queue()
    in_process.queue.send_message(encoded("long"))
    receipts: list[str | None] = []

    async def handle(lease: Lease) -> None:
        while len(receipts) < 4:
            if lease.pop_receipt not in receipts:
                receipts.append(lease.pop_receipt)
            await asyncio.sleep(0.05)

    options = replace(QUICK, lease_seconds=2, renew_seconds=0.8)
    in_process.run(options, handle, lambda: len(receipts) >= 4 and message_count(in_process.queue) == 0)
    assert len(set(receipts)) == 4, "one run, 2.4 s under a lease of 2 s, deleted with the last receipt"


def test_after_a_crash_the_message_comes_back_with_a_higher_count(in_process: InProcess) -> None:
    in_process.queue.create_queue()
    in_process.queue.send_message(encoded("survivor"))
    in_process.queue.receive_message(visibility_timeout=1)  # a host that took it and died
    attempts: list[int] = []

    async def handle(lease: Lease) -> None:
        attempts.append(lease.attempt)

    in_process.run(QUICK, handle, lambda: attempts)
    assert attempts == [2]


def test_a_missing_queue_is_polled_and_not_made(in_process: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    polls, bodies = [], []
    receive = QueueListener._receive_batch

    def counted(listener: QueueListener) -> object:
        polls.append(listener.name)
        return receive(listener)

    monkeypatch.setattr(QueueListener, "_receive_batch", counted)

    async def handle(lease: Lease) -> None:
        bodies.append(lease.body)

    def made_late() -> object:
        if len(polls) >= 2 and not exists(in_process.queue):
            in_process.queue.create_queue()
            in_process.queue.send_message(encoded("late"))
        return bodies

    in_process.run(QUICK, handle, made_late)
    assert bodies == [b"late"]


def test_the_poll_interval_doubles_from_100_ms_to_its_maximum_and_resets_on_a_message() -> None:
    backoff = Backoff(2.0, jitter=lambda low, high: (low + high) / 2)
    assert [round(backoff.next_delay(), 3) for _ in range(7)] == [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2.0]
    backoff.reset()
    assert backoff.next_delay() == 0.1
    jittered = Backoff(60.0)
    delays = [jittered.next_delay() for _ in range(4)]
    assert 0.18 <= delays[1] <= 0.22
    assert 0.42 <= delays[3] <= 0.58


@pytest.mark.parametrize("batch_size", [0, 33])
def test_a_batch_holds_1_to_32_messages(batch_size: int) -> None:
    with pytest.raises(ValueError, match="1 to 32"):
        QueueOptions(batch_size=batch_size)
