"""How many storage transactions a job costs, from its POST to its delivered callback."""

from __future__ import annotations

import time
from collections import Counter

import httpx

from bench.callbacks import CallbackReceiver
from bench.counting_proxy import CountingProxy, Transaction
from bench.report import Goal, Section, Table
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage

STEMS = ("bass", "drums", "guitar", "piano", "vocals")
ALLOWED_BESIDE_STEMS = 12
HOST_SETTINGS = {
    "ALLOW_PRIVATE_CALLBACKS": "true",
    "AzureWebJobs.recover_jobs.Disabled": "true",  # timers look for lost jobs, whether or not there are any
    "AzureWebJobs.expire_files.Disabled": "true",
    "AzureWebJobs.inbox.Disabled": "true",  # it looks for dropped files, which costs a list each time
}
_SETTLE_SECONDS = 1.0  # after the callback the host still deletes its message
_WAIT_SECONDS = 60.0


def measure() -> Section:
    """Count jobs of one to five stems, one after the other, through the real host."""
    counted = {}
    with Azurite() as azurite, CountingProxy(azurite.connection_string) as proxy, CallbackReceiver() as receiver:
        prepare_storage(proxy.connection_string)
        with HostProcess(proxy.connection_string, settings=HOST_SETTINGS, grace_seconds=5) as host:
            for count in range(1, len(STEMS) + 1):
                counted[count] = job_transactions(proxy, host.base_url, receiver, STEMS[:count])
    over = max(len(passed) - count for count, passed in counted.items())
    return Section(
        "Storage transactions of a job",
        "Every request to tables, queues and blobs from `POST /v1/generations` to the delivered callback and its "
        "deleted message, counted by a proxy in front of Azurite. Not counted are polls that found no message, and "
        "the host's own locks. Stems of half a second: a longer job adds one transaction a second while it tells "
        "of its progress.",
        [Table(("stems", "transactions", "tables", "queues", "blobs"), [_row(*item) for item in counted.items()])],
        [Goal("at most 12 transactions beside one a stem", over, ALLOWED_BESIDE_STEMS)],
    )


def job_transactions(
    proxy: CountingProxy, base_url: str, receiver: CallbackReceiver, stems: tuple[str, ...]
) -> list[Transaction]:
    """What one job asked of the storage."""
    proxy.reset()
    token = f"stems-{len(stems)}"
    body = {"target_stems": stems, "parameters": {"duration_seconds": 0.5}, "callback_url": receiver.url(token)}
    httpx.post(f"{base_url}/v1/generations", json=body, timeout=_WAIT_SECONDS).raise_for_status()
    receiver.wait_for([token], _WAIT_SECONDS)
    time.sleep(_SETTLE_SECONDS)
    return [passed for passed in proxy.transactions() if not (passed.of_host or passed.of_metrics)]


def _row(stems: int, passed: list[Transaction]) -> list[str]:
    services = Counter(transaction.service for transaction in passed)
    return [str(stems), str(len(passed)), *(str(services[name]) for name in ("table", "queue", "blob"))]
