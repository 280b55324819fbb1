"""What is counted, how it is exposed, and that counting is never in the work's way."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.openmetrics import parser as openmetrics

from core import __version__
from core.bootstrap import Services, build, memory_storage
from core.errors import StorageUnavailable
from core.jobs.model import JobKind, JobStatus
from core.metrics.counters import INTERVAL_SECONDS, Counters
from core.metrics.counts import BUCKETS_SECONDS, Counts, counts_of, histogram, zeros
from core.metrics.rows import MetricRows
from core.metrics.service import Metrics
from core.settings import Settings
from core.storage.memory import MemoryTable
from core.webhooks.retry import DeliveryStatus
from functions.http import errors
from functions.http.app import create_app
from functions.http.metrics import router
from tests.clock import Clock
from tests.metrics_processes import Interrupted, Process, ended_job, sample, samples, stored

PROJECT = Path(__file__).resolve().parents[2]
ENDED = ("completed", "failed", "canceled")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table() -> Interrupted:
    return Interrupted(MemoryTable())


@pytest.fixture
def services(clock: Clock) -> Services:
    return build(Settings.read({}), memory_storage(), clock=clock)


@pytest.fixture
def process(services: Services, table: Interrupted, clock: Clock) -> Process:
    return Process(services, table, clock)


def call(app: FastAPI, headers: dict[str, str] | None = None) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/metrics", headers=headers)

    return asyncio.run(send())


def get_metrics(metrics: Metrics, accept: str = "") -> httpx.Response:
    app = FastAPI()
    errors.install(app)
    app.include_router(router)
    app.state.services = lambda: SimpleNamespace(metrics=metrics)
    return call(app, {"Accept": accept})


def refuse() -> None:
    raise StorageUnavailable("tables are down")


# What is counted


@pytest.mark.parametrize("status", ENDED)
@pytest.mark.parametrize(("kind", "engine"), [("generation", "musicgen"), ("separation", "demucs")])
def test_a_job_counts_once_under_its_kind_its_status_and_its_engine(
    process: Process, clock: Clock, kind: str, status: str, engine: str
) -> None:
    process.counters.announce(ended_job(clock, JobKind(kind), JobStatus(status), engine))
    found = samples(get_metrics(process.metrics).content)
    counted = {key for key, value in found.items() if key[0] == "stemworks_jobs_total" and value}
    assert counted == {sample("stemworks_jobs_total", kind=kind, status=status, engine=engine)}


def test_replays_and_jobs_that_have_not_ended_are_not_counted(process: Process, clock: Clock) -> None:
    process.counters.announce(ended_job(clock), replay=True)
    for status in (JobStatus.QUEUED, JobStatus.PROCESSING, JobStatus.EXPIRED):
        process.counters.announce(ended_job(clock, status=status))
    assert process.ended_jobs() == 0
    assert process.value("stemworks_job_duration_seconds_count", kind="generation") == 0


def test_times_fall_into_cumulative_buckets_and_add_up_exactly(process: Process, clock: Clock) -> None:
    times = (0.05, 0.050001, 0.3, 0.3, 7.25, 3600, 3600.000001, 90_000)
    for seconds in times:
        process.counters.announce(ended_job(clock, worked=seconds, waited=seconds / 2))
    labels = {"kind": "generation"}
    for bound in BUCKETS_SECONDS:
        at_most = sum(seconds <= bound for seconds in times)
        assert process.value("stemworks_job_duration_seconds_bucket", le=f"{float(bound)}", **labels) == at_most
    assert process.value("stemworks_job_duration_seconds_bucket", le="+Inf", **labels) == len(times)
    assert process.value("stemworks_job_duration_seconds_count", **labels) == len(times)
    assert process.value("stemworks_job_duration_seconds_sum", **labels) == 97_207.950002
    assert process.value("stemworks_job_wait_seconds_sum", **labels) == pytest.approx(97_207.950002 / 2, abs=1e-5)
    assert process.value("stemworks_job_wait_seconds_bucket", le="0.05", **labels) == 2


def test_a_job_that_never_started_has_neither_waited_nor_worked(process: Process, clock: Clock) -> None:
    process.counters.announce(ended_job(clock, status=JobStatus.CANCELED, started_at=None))
    assert process.value("stemworks_jobs_total", kind="generation", status="canceled", engine="synth") == 1
    for name in ("wait", "duration"):
        assert process.value(f"stemworks_job_{name}_seconds_count", kind="generation") == 0


def test_a_job_that_is_retried_has_waited_and_worked_since_then_alone(process: Process, clock: Clock) -> None:
    failed = ended_job(clock, status=JobStatus.FAILED, waited=5, worked=1)
    process.counters.announce(failed)
    clock.advance(3 * 86_400)
    retried = failed.retried(clock(), attempts=3)
    assert retried.started_at is None
    clock.advance(7)
    running = retried.claimed(clock(), lease_seconds=60)
    clock.advance(2)
    process.counters.announce(running.completed(clock()))
    assert process.value("stemworks_job_wait_seconds_sum", kind="generation") == 5 + 7
    assert process.value("stemworks_job_duration_seconds_sum", kind="generation") == 1 + 2


def test_a_machine_whose_clock_is_behind_makes_no_time_negative(process: Process, clock: Clock) -> None:
    process.counters.announce(ended_job(clock, waited=-2.0))
    assert process.value("stemworks_job_wait_seconds_sum", kind="generation") == 0
    assert process.value("stemworks_job_wait_seconds_bucket", kind="generation", le="0.05") == 1


def test_counts_under_bounds_of_another_version_are_kept_in_the_next_larger_bucket() -> None:
    counts = Counts({("wait", "sound", "0.07"): 2, ("wait", "sound", "7200.0"): 3})
    buckets = dict(histogram(counts, "wait", "sound")[0])
    assert (buckets["0.05"], buckets["0.1"], buckets["3600.0"], buckets["+Inf"]) == (0, 2, 2, 5)


@pytest.mark.parametrize(
    ("kind", "result", "hit", "miss", "derived"),
    [
        (JobKind.SOUND, {"cached": True}, 1, 0, 0),
        (JobKind.SOUND, {"cached": False}, 0, 1, 0),
        (JobKind.SOUND, {"cached": False, "derived": True}, 0, 0, 1),
        (JobKind.SOUND, {"cached": True, "derived": True}, 1, 0, 0),
        (JobKind.SOUND, {}, 0, 0, 0),
        (JobKind.SOUND, None, 0, 0, 0),
        (JobKind.SOUND_BATCH, {"made": 3, "found": 40, "derived": 2}, 40, 3, 2),
        (JobKind.SOUND_BATCH, {"made": 3}, 0, 3, 0),
        (JobKind.GENERATION, {"cached": True, "made": 3}, 0, 0, 0),
    ],
)
def test_sounds_are_counted_by_where_they_came_from(
    process: Process, clock: Clock, kind: JobKind, result: dict[str, Any] | None, hit: int, miss: int, derived: int
) -> None:
    process.counters.announce(ended_job(clock, kind, engine="plucked_string", result=result))
    found = [process.value("stemworks_sounds_total", outcome=outcome) for outcome in ("hit", "miss", "derived")]
    assert found == [hit, miss, derived]


def test_sounds_of_a_job_that_failed_were_not_made(process: Process, clock: Clock) -> None:
    failed = ended_job(clock, JobKind.SOUND, JobStatus.FAILED, "plucked_string", result={"cached": False})
    process.counters.announce(failed)
    assert process.value("stemworks_sounds_total", outcome="miss") == 0


def test_deliveries_are_counted_by_their_outcome(process: Process) -> None:
    for status in (*DeliveryStatus, DeliveryStatus.DELIVERED):
        process.counters.count_delivery(status)
    found = [process.value("stemworks_deliveries_total", outcome=status) for status in DeliveryStatus]
    assert found == [2, 1, 1, 1, 1]


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can, so that what is not guarded breaks."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_eight_threads_lose_no_count(process: Process, clock: Clock) -> None:
    job = ended_job(clock, worked=0.3)
    together = threading.Barrier(8)

    def count() -> None:
        together.wait()
        for number in range(1000):
            process.counters.announce(job)
            process.counters.count_delivery(DeliveryStatus.DELIVERED)
            if number % 100 == 0:
                process.counters.flush()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert process.ended_jobs() == 8000
    assert process.value("stemworks_deliveries_total", outcome="delivered") == 8000
    assert process.value("stemworks_job_duration_seconds_sum", kind="generation") == 2400


# Writing


def test_many_changes_are_one_write_a_few_seconds_later(process: Process, table: Interrupted, clock: Clock) -> None:
    for _ in range(10):
        process.counters.announce(ended_job(clock))
    assert [seconds for seconds, _ in process.timers.waiting] == [INTERVAL_SECONDS]
    assert stored(table) == {}
    process.timers.fire()
    (row,) = stored(table).values()
    assert row["counts"]["jobs/generation/completed/synth"] == 10
    assert process.timers.waiting == []
    process.counters.announce(ended_job(clock))
    assert len(process.timers.waiting) == 1


def test_of_two_writes_at_once_the_newer_one_stays(process: Process, table: Interrupted, clock: Clock) -> None:
    def write_more() -> None:
        process.counters.announce(ended_job(clock))
        other.start()
        other.join(0.2)  # it has to wait for the first

    other = threading.Thread(target=process.counters.flush)
    process.counters.announce(ended_job(clock))
    table.before = write_more
    process.counters.flush()
    other.join()
    assert [row["counts"]["jobs/generation/completed/synth"] for row in stored(table).values()] == [2]


def test_nothing_is_written_while_nothing_changes(process: Process, table: Interrupted, clock: Clock) -> None:
    process.counters.announce(ended_job(clock))
    process.timers.fire()
    table.before = refuse
    process.counters.flush()
    process.metrics.read()
    assert table.before is refuse


def test_storage_that_fails_is_logged_and_never_in_the_works_way(
    process: Process, table: Interrupted, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    process.counters.announce(ended_job(clock))
    table.before = refuse
    with caplog.at_level(logging.WARNING):
        process.timers.fire()
    assert "could not be written" in caplog.text
    assert len(process.timers.waiting) == 1
    process.timers.fire()
    assert [row["counts"]["jobs/generation/completed/synth"] for row in stored(table).values()] == [1]


def test_work_goes_on_where_no_thread_can_be_started(table: Interrupted, clock: Clock) -> None:
    asked = []

    def no_more_threads(seconds: float, call: object) -> None:
        asked.append(seconds)
        raise RuntimeError("can't start new thread")

    counters = Counters(MetricRows(table), "p", dict, clock, no_more_threads)
    counters.announce(ended_job(clock))
    counters.announce(ended_job(clock))
    assert len(asked) == 2  # the next change tries again
    counters.flush()
    assert stored(table)["process:p"]["counts"]["jobs/generation/completed/synth"] == 2


def test_the_timer_is_a_thread_that_keeps_no_process_alive() -> None:
    program = "import sys; from core.metrics.counters import start_timer; start_timer(60, lambda: None); print('ended')"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=30)
    assert done.stdout == "ended\n"


# Loaded models


def loaded(process: Process, engine: str = "musicgen", model: str = "small") -> float:
    return process.value("stemworks_engine_loaded", engine=engine, model=model)


def test_loaded_models_are_those_of_processes_that_gave_a_sign_of_life(
    services: Services, table: Interrupted, clock: Clock
) -> None:
    worker, other, asked = (Process(services, table, clock) for _ in range(3))
    for process in (worker, other):
        process.loaded = {"musicgen": {"small": "sha", "my-own": None}}
        process.counters.announce(ended_job(clock))
        process.timers.fire()
    assert (loaded(asked), loaded(asked, model="my-own"), loaded(asked, "demucs", "htdemucs")) == (2, 2, 0)
    assert loaded(worker) == 2  # itself and the other
    clock.advance(120)
    assert loaded(asked) == 2
    clock.advance(1)
    assert loaded(asked) == 0
    assert loaded(worker) == 1  # of itself it knows
    worker.loaded = {}
    assert loaded(worker) == 0


def test_progress_of_a_long_job_is_a_sign_of_life_once_a_minute(
    services: Services, table: Interrupted, clock: Clock
) -> None:
    worker, asked = Process(services, table, clock), Process(services, table, clock)
    worker.loaded = {"musicgen": {"small": "sha"}}
    running = ended_job(clock, status=JobStatus.PROCESSING)
    writes = 0
    for _ in range(60):
        worker.counters.announce(running)
        writes += len(worker.timers.waiting)
        worker.timers.fire()
        clock.advance(5)
        assert loaded(asked) == 1
    assert writes == 5


# What is exposed


def test_every_count_that_is_known_beforehand_is_zero_from_the_first_scrape(process: Process) -> None:
    found = samples(get_metrics(process.metrics).content)
    for kind, engine in {"generation": "synth", "separation": "spectral", "sound": "plucked_string",
                         "sound_batch": "musicgen", "effects": "effects"}.items():  # fmt: skip
        for status in ENDED:
            assert found[sample("stemworks_jobs_total", kind=kind, status=status, engine=engine)] == 0
        for name in ("job_duration", "job_wait"):
            assert found[sample(f"stemworks_{name}_seconds_bucket", kind=kind, le="+Inf")] == 0
            assert found[sample(f"stemworks_{name}_seconds_sum", kind=kind)] == 0
        for status in ("queued", "processing"):
            assert found[sample("stemworks_unfinished_jobs", kind=kind, status=status)] == 0
    for queue in ("cpu-requests", "generation-requests", "separation-requests", "callbacks"):
        assert found[sample("stemworks_queue_messages", queue=queue)] == 0
        assert found[sample("stemworks_queue_messages", queue=f"{queue}-poison")] == 0
    assert found[sample("stemworks_deliveries_total", outcome="failed")] == 0
    assert found[sample("stemworks_sounds_total", outcome="hit")] == 0
    assert found[sample("stemworks_engine_loaded", engine="demucs", model="htdemucs")] == 0
    assert {key for key, value in found.items() if value} == {sample("stemworks_build_info", version=__version__)}


def test_events_add_no_series_to_those_that_were_there(process: Process, clock: Clock) -> None:
    before = set(samples(get_metrics(process.metrics).content))
    for kind, engine in [(JobKind.EFFECTS, "effects"), (JobKind.SOUND, "musicgen")]:
        process.counters.announce(ended_job(clock, kind, engine=engine, result={"cached": True}))
    process.counters.count_delivery(DeliveryStatus.SUPERSEDED)
    assert set(samples(get_metrics(process.metrics).content)) == before


def test_each_kind_of_job_counts_under_the_engines_that_can_do_it(services: Services) -> None:
    keys = zeros(services.engines.catalogue())
    named_otherwise = {"sound_batch": "sound", "accompaniment": "generation"}
    for info in services.engines.catalogue():
        kinds = {key[1] for key in keys if key[0] == "jobs" and key[3] == info.name}
        assert {named_otherwise.get(kind, kind) for kind in kinds} == set(info.tasks)
    assert {key[1] for key in keys if key[0] == "jobs"} == set(JobKind)


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=0.0.4", "text/plain; version=x"])
def test_prometheus_text_is_the_answer_to_whoever_wants_nothing_else(process: Process, accept: str) -> None:
    answer = get_metrics(process.metrics, accept)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert samples(answer.content)[sample("stemworks_build_info", version=__version__)] == 1


@pytest.mark.parametrize("version", ["1.0.0", "0.0.1", "x"])
def test_openmetrics_is_the_answer_to_who_accepts_it_and_is_valid(process: Process, clock: Clock, version: str) -> None:
    process.counters.announce(ended_job(clock))
    answer = get_metrics(process.metrics, f"application/openmetrics-text;version={version};q=0.6,text/plain;q=0.3")
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {family.name: family for family in openmetrics.text_string_to_metric_families(answer.text)}  # strict
    counted = {tuple(each.labels.values()): each.value for each in families["stemworks_jobs"].samples}
    assert sum(counted.values()) == 1
    assert families["stemworks_job_duration_seconds"].type == "histogram"


@pytest.mark.parametrize("changed", [True, False])
def test_a_scrape_while_storage_is_down_is_refused_as_other_routes_refuse(
    process: Process, table: Interrupted, clock: Clock, monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    if changed:
        process.counters.announce(ended_job(clock))

    def down(*arguments: object) -> Any:
        refuse()

    for name in ("get", "scan", "commit"):
        monkeypatch.setattr(table, name, down)
    answer = get_metrics(process.metrics)
    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:stemworks:problem:storage-unavailable"
    assert int(answer.headers["retry-after"]) > 0
    monkeypatch.undo()
    assert process.ended_jobs() == changed


def test_the_app_answers_who_has_a_key(clock: Clock) -> None:
    services = build(Settings.read({"API_KEYS": "secret"}), memory_storage(), clock=clock)
    services.metrics.counters.announce(ended_job(clock))
    assert call(create_app(lambda: services)).status_code == 401
    answer = call(create_app(lambda: services), {"x-api-key": "secret"})
    counted = sample("stemworks_jobs_total", kind="generation", status="completed", engine="synth")
    assert samples(answer.content)[counted] == 1


def test_a_process_that_nobody_scrapes_never_imports_the_library() -> None:
    program = "import sys; import functions.http.app, core.bootstrap;print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_job_that_was_found_in_the_bank_takes_no_time_that_it_did_not_take(clock: Clock) -> None:
    counts = counts_of(
        ended_job(clock, JobKind.SOUND, engine="plucked_string", started_at=None, result={"cached": True})
    )
    assert counts == Counts({("jobs", "sound", "completed", "plucked_string"): 1, ("sounds", "hit"): 1})
