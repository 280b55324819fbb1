"""What the storage requests of one job cost by themselves: the SDK and Azurite, and nothing of ours."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from azure.data.tables import TableServiceClient, TransactionOperation, UpdateMode
from azure.storage.queue import QueueClient, QueueServiceClient, TextBase64EncodePolicy

from bench.processes import cpu_seconds

_DOCUMENT = "x" * 1200  # about a job's row
_LISTS = ("*", "generation")
Operation = tuple[TransactionOperation, dict[str, Any], dict[str, Any]]


class Cost(NamedTuple):
    """Milliseconds a job: alone, beside others, and the CPU time of either side."""

    alone_ms: float
    busy_ms: float
    sdk_cpu_ms: float
    azurite_cpu_ms: float


class StorageRequests:
    """The twelve requests of an empty job, on queues and a table of their own."""

    def __init__(self, connection_string: str) -> None:
        tables = TableServiceClient.from_connection_string(connection_string)
        queues = QueueServiceClient.from_connection_string(connection_string)
        self._table = tables.create_table(f"bench{uuid.uuid4().hex}")
        self._work, self._callbacks = _queue(queues), _queue(queues)

    def one_job(self) -> None:
        """Every request once, in a job's order."""
        job = uuid.uuid4().hex
        body = json.dumps({"job_id": job})
        self._commit(_puts(f"job:{job}", *_places(job, "*", "queued")))
        self._work.send_message(body, time_to_live=-1)
        message = self._receive(self._work)
        self._table.get_entity("jobs", f"job:{job}")
        self._step(job, "queued", "processing")
        self._step(job, "processing", "completed")
        self._callbacks.send_message(body, time_to_live=-1)
        self._work.delete_message(message)
        message = self._receive(self._callbacks)
        self._table.get_entity("jobs", f"job:{job}")
        self._commit(_puts(f"delivery:{job}"))
        self._callbacks.delete_message(message)

    def _step(self, job: str, before: str, after: str) -> None:
        removed: list[Operation] = [(TransactionOperation.DELETE, _row(key), {}) for key in _places(job, before)]
        self._commit(_puts(f"job:{job}"), removed, _puts(*_places(job, after)))

    def _commit(self, *operations: Iterable[Operation]) -> None:
        self._table.submit_transaction([operation for some in operations for operation in some])

    def _receive(self, queue: QueueClient) -> Any:
        return next(iter(queue.receive_messages(messages_per_page=1, max_messages=1, visibility_timeout=60)))


def storage_cost(connection_string: str, azurite_pid: int, *, jobs: int, threads: int) -> Cost:
    """The requests of ``jobs`` jobs, one after the other and then in ``threads`` threads."""
    requests = StorageRequests(connection_string)
    requests.one_job()
    alone = [_milliseconds(requests.one_job) for _ in range(jobs)]
    ours, theirs = time.process_time(), cpu_seconds(azurite_pid)
    with ThreadPoolExecutor(threads) as pool:
        busy = _milliseconds(lambda: list(pool.map(lambda _: requests.one_job(), range(jobs))))
    ours, theirs = time.process_time() - ours, cpu_seconds(azurite_pid) - theirs
    return Cost(statistics.median(alone), busy / jobs, ours / jobs * 1000, theirs / jobs * 1000)


def _queue(queues: QueueServiceClient) -> QueueClient:
    name = f"bench-{uuid.uuid4().hex}"
    queues.create_queue(name)
    return queues.get_queue_client(name, message_encode_policy=TextBase64EncodePolicy())


def _milliseconds(work: Any) -> float:
    started = time.monotonic()
    work()
    return (time.monotonic() - started) * 1000


def _places(job: str, *statuses: str) -> list[str]:
    return [f"list:{status}:{kind}:{job}" for status in statuses for kind in _LISTS]


def _puts(*keys: str) -> list[Operation]:
    replace = {"mode": UpdateMode.REPLACE}
    return [(TransactionOperation.UPSERT, _row(key) | {"document": _document(key)}, replace) for key in keys]


def _document(key: str) -> str:
    return "" if key.startswith("list:") else _DOCUMENT


def _row(key: str) -> dict[str, Any]:
    return {"PartitionKey": "jobs", "RowKey": key}
