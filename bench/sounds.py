"""Notes a second through HTTP, queue and Azurite: made one by one, found in the bank, made as a batch."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from bench.counting_proxy import CountingProxy
from bench.report import Goal, Section, Table
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage

NOTES = 72
CLIENTS = 4
_WAIT = {"Prefer": "wait=60"}
_QUIET = {f"AzureWebJobs.{name}.Disabled": "true" for name in ("recover_jobs", "expire_files", "inbox")}
_NOTE = {"instrument": "acoustic_guitar", "duration_seconds": 2.0}


def measure() -> Section:
    """Ask for notes of two seconds, again for the same, and for as many others at once."""
    with Azurite() as azurite:
        prepare_storage(azurite.connection_string)
        with (
            CountingProxy(azurite.connection_string) as proxy,
            HostProcess(proxy.connection_string, settings=_QUIET) as host,
            httpx.Client(base_url=host.base_url, timeout=90) as client,
        ):
            _ask(client, {"string": 1, "fret": 20, "velocity": 0.1})  # what is loaded at the first note
            ways = {
                "made, one request a note": lambda: _one_by_one(client, cached=False),
                "found, one request a note": lambda: _one_by_one(client, cached=True),
                "made, one batch": lambda: _as_a_batch(client, made=NOTES),
                "found, one batch": lambda: _as_a_batch(client, made=0),
            }
            measured = {name: _timed(proxy, way) for name, way in ways.items()}
    return _section(measured)


def _section(measured: dict[str, tuple[float, float]]) -> Section:
    made = measured["made, one request a note"][0]
    rows = [
        [name, f"{notes:.1f}", f"{notes / made:.1f}", f"{transactions:.1f}"]
        for name, (notes, transactions) in measured.items()
    ]
    table = Table(("how", "notes a second", "ratio", "storage transactions a note"), rows)
    hits = measured["found, one request a note"]
    return Section(
        title="Sounds: found before made",
        text=f"{NOTES} notes of 2 s of the string model, {CLIENTS} clients at a time; host, storage and clients share "
        "the cores of one machine.",
        tables=[table],
        goals=[Goal("a note that the bank has takes at most 4 transactions", hits[1], 4)],
    )


def _timed(proxy: CountingProxy, way: Callable[[], None]) -> tuple[float, float]:
    """Notes a second, and storage transactions a note."""
    proxy.reset()
    start = time.monotonic()
    way()
    seconds = time.monotonic() - start
    passed = [one for one in proxy.transactions() if not (one.of_host or one.of_metrics)]
    return NOTES / seconds, len(passed) / NOTES


def _one_by_one(client: httpx.Client, cached: bool) -> None:
    notes = [{"string": 1 + index % 6, "fret": index // 6, "velocity": 0.5} for index in range(NOTES)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        for job in clients.map(lambda note: _ask(client, note), notes):
            if (job["status"], job["cached"]) != ("completed", cached):
                raise RuntimeError(f"a note came out otherwise: {job}")


def _as_a_batch(client: httpx.Client, made: int) -> None:
    region = {"fret_min": 0, "fret_max": NOTES // 6 - 1}
    batch = _post(client, "/v1/sounds/batch", _NOTE | {"region": region, "velocities": [0.9]})
    if (batch["status"], batch["made"], batch["total"]) != ("completed", made, NOTES):
        raise RuntimeError(f"the batch came out otherwise: {batch}")


def _ask(client: httpx.Client, note: dict[str, Any]) -> dict[str, Any]:
    return _post(client, "/v1/sounds/generate", _NOTE | note)


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body, headers=_WAIT)
    answer.raise_for_status()
    return dict(answer.json())
