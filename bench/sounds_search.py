"""How long a page of a search takes, the more sounds there are: in memory and in Azurite."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any

import httpx
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import AccountSasPermissions, ResourceTypes, TableServiceClient, generate_account_sas

from bench.report import Goal, Section
from bench.report import Table as ReportTable
from core.ports import Table
from core.settings import Settings
from core.soundbank.query import SoundQuery
from core.soundbank.rows import PARTITION, document, place_keys, sound_key
from core.soundbank.sample import Sample
from core.soundbank.search import MOST_READS_OF_A_STRING, search
from core.storage.azure_tables import AzureTable, table_service
from core.storage.memory import MemoryTable
from local.azurite import Azurite
from tests.sounds import even_sounds, load

SIZES = (1_000, 10_000, 100_000)
ROUNDS = 15
STRING = {"instrument": "electric_guitar", "string": 3}
SEARCHES: dict[str, dict[str, Any]] = {
    "a string": STRING,
    "a fret, velocity": STRING | {"fret": 5, "velocity": 0.7},
    "a string, muted": STRING | {"technique": ["palm_mute"]},
    "an instrument, newest": {"instrument": "electric_guitar", "sort": "newest"},
    "E2 to E3, by pitch": {"note_min": "E2", "note_max": "E3", "sort": "pitch"},
}
_READ_OF_ONE_ROW = "one row (no search)"
_TABLE = "sounds"
Latencies = dict[str, dict[int, float]]
"""Milliseconds, the median, by what is searched for and how many sounds there are."""


def measure(largest_in_azurite: int = 100_000) -> Section:
    """The same searches in tables that grow. To fill Azurite takes minutes: ``python -m bench.sounds_search 10000``."""
    memory = MemoryTable()
    in_memory, reads = _latencies(memory, lambda sounds: load(memory, sounds), SIZES)
    sizes = [size for size in SIZES if size <= largest_in_azurite]
    with Azurite() as azurite:
        table = AzureTable(table_service(Settings.read({"AzureWebJobsStorage": azurite.connection_string})), _TABLE)
        table.ensure()
        fill = Filler(azurite.connection_string)
        in_azurite, _ = _latencies(table, fill, sizes)
    return Section(
        "Searches among sounds",
        f"A page of {SoundQuery().limit}, the median of {ROUNDS}, in milliseconds, and as a multiple of what it takes "
        f"among {SIZES[0]:,} sounds. A sound has {_rows_of_a_sound()} rows here. Azurite goes through all rows of a "
        "table, whatever is asked of it: the last line, a read of a range that holds one row, says how much of its "
        "time that is; Table storage finds a range by its keys. A search that filters reads 1,000 rows at once, and "
        "among few sounds a string has not as many.",
        [_report("in memory", in_memory, SIZES), _report("in Azurite", in_azurite, sizes)],
        [
            Goal(
                f"a page of one string takes at most {MOST_READS_OF_A_STRING} reads, however many sounds there are",
                max(reads), MOST_READS_OF_A_STRING,
            )
        ],
    )  # fmt: skip


def _latencies(
    table: Table, fill: Callable[[Iterable[Sample]], None], sizes: Sequence[int]
) -> tuple[Latencies, list[int]]:
    """Of each search and of the read of one row; and how many reads the pages of a string took."""
    latencies: Latencies = {name: {} for name in (*SEARCHES, _READ_OF_ONE_ROW)}
    reads = []
    sounds = even_sounds(sizes[-1])
    stored = 0
    for size in sizes:
        fill(islice(sounds, size - stored))
        stored = size
        for name, fields in SEARCHES.items():
            query = SoundQuery.model_validate(fields)
            latencies[name][size], page = _median(partial(search, table, query))
            if "string" in fields:
                reads.append(page.reads)
        key = sound_key(f"sound-{size // 2:06}")
        latencies[_READ_OF_ONE_ROW][size], [_] = _median(partial(table.scan, PARTITION, key, f"{key}!", 1))
    return latencies, reads


def _median(work: Callable[[], Any]) -> tuple[float, Any]:
    """Milliseconds, and the last answer. The first run, which may put new rows in order, does not count."""
    answer = work()
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        answer = work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken), answer


def _report(where: str, latencies: Latencies, sizes: Sequence[int]) -> ReportTable:
    rows = [
        [name, *(f"{of[size]:.3g} ms ({of[size] / of[sizes[0]]:.1f}x)" for size in sizes)]
        for name, of in latencies.items()
    ]
    return ReportTable((where, *(f"{size:,} sounds" for size in sizes)), rows)


class Filler:
    """Fills Azurite's table, 100 rows a transaction, by plain requests: the SDK would need longer than Azurite."""

    def __init__(self, connection_string: str) -> None:
        service = TableServiceClient.from_connection_string(connection_string)
        settings = dict(part.split("=", 1) for part in connection_string.split(";") if part)
        credential = AzureNamedKeyCredential(settings["AccountName"], settings["AccountKey"])
        signature = generate_account_sas(
            credential, ResourceTypes(object=True), AccountSasPermissions(add=True, write=True, update=True),
            expiry=datetime.now(UTC) + timedelta(hours=2),
        )  # fmt: skip
        self._rows_url = f"{service.url}/{_TABLE}"
        self._url = f"{service.url}/$batch?{signature}"
        self._client = httpx.Client(timeout=60)

    def __call__(self, sounds: Iterable[Sample]) -> None:
        """Insert every row of these sounds."""
        entities = (entity for sample in sounds for entity in _entities(sample))
        headers = {"Content-Type": "multipart/mixed; boundary=batch_1", "x-ms-version": "2019-02-02"}
        while some := list(islice(entities, 100)):
            answer = self._client.post(self._url, content=self._transaction(some), headers=headers)
            if answer.status_code != 202 or "HTTP/1.1 4" in answer.text:
                raise RuntimeError(f"Azurite refused rows: {answer.status_code} {answer.text[:500]}")

    def _transaction(self, entities: Sequence[str]) -> bytes:
        """https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions"""
        head = (
            "--changeset_1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
            f"POST {self._rows_url} HTTP/1.1\r\nContent-Type: application/json\r\nAccept: application/json\r\n"
            "Prefer: return-no-content\r\nDataServiceVersion: 3.0\r\n\r\n"
        )
        parts = "".join(f"{head}{entity}\r\n" for entity in entities)
        start = "--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n"
        return f"{start}{parts}--changeset_1--\r\n--batch_1--\r\n".encode()


def _rows_of_a_sound() -> int:
    [sample] = even_sounds(1)
    return 1 + len(place_keys(sample))


def _entities(sample: Sample) -> Iterator[str]:
    whole = document(sample)
    for key in (sound_key(sample.sample_id), *place_keys(sample)):
        yield json.dumps({"PartitionKey": PARTITION, "RowKey": key, "document": whole})


if __name__ == "__main__":
    print(measure(*map(int, sys.argv[1:])).markdown())
