"""What a job costs beside its work: an empty job, run by Stemworks and by what it could have been built on."""

from __future__ import annotations

import http.client
import itertools
import json
import random
import shutil
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from bench.azurite_cost import Cost, storage_cost
from bench.callbacks import CallbackReceiver
from bench.processes import PROJECT, cpu_seconds, redis, running, serving
from bench.report import Goal, Section, Table
from bench.transactions import HOST_SETTINGS
from bench.ways import THREADS
from local.azurite import Azurite, free_ports
from local.stack import HostProcess, prepare_storage

LONE_JOBS = 20
ROUNDS = 5
WARM_UP_JOBS = 10
SENDERS = 4
AZURITE_LIMIT, MEMORY_LIMIT = 5.0, 1.0
_PAUSE_SECONDS = 3.0  # before each lone job, so that the queues' polls are as rare as they get
_WAIT_SECONDS = 120.0
_tokens = itertools.count()
T = TypeVar("T")

SEED = "FastAPI background tasks"
CELERY = {"prefork": "Celery and Redis, prefork", "threads": "Celery and Redis, threads"}
AZURITE = "Stemworks, Azurite"
MEMORY = "Stemworks, in memory"


@dataclass(frozen=True)
class Way:
    """One way to run jobs: where they are posted, and the processes that do it."""

    name: str
    base_url: str
    path: str
    pids: tuple[int, ...]
    burst_jobs: int = 200
    sends_from_within: bool = False

    def body(self, url: str) -> dict[str, Any]:
        """A job that does nothing and calls ``url``."""
        return {"callback_url": url} | ({"target_stems": ["bass"]} if self.path.startswith("/v1/") else {})


class Burst(NamedTuple):
    """Milliseconds a job: of the clock, and of each process."""

    wall_ms: float
    cpu_ms: tuple[float, ...]


class Lone(NamedTuple):
    """Milliseconds from the POST to the callback, and those in which the job lay in a queue."""

    total_ms: float
    queued_ms: float | None


@dataclass(frozen=True)
class Figures:
    """Everything measured, by the way's name."""

    ways: list[Way]
    lone: dict[str, list[Lone]]
    posted: dict[str, list[Burst]]
    within: dict[str, list[Burst]]
    storage: Cost

    def faster_celery(self, bursts: dict[str, list[Burst]]) -> str | None:
        """The pool with which Celery does better; ``None`` if it was not measured."""
        names = [name for name in CELERY.values() if name in bursts]
        return min(names, key=lambda name: wall_ms(bursts[name])) if names else None


def measure() -> Section:
    """Start every way, send each the same jobs in turn, and compare."""
    with CallbackReceiver() as receiver, Azurite() as azurite, started_ways(azurite) as ways:
        for way in ways:
            warm_up(way, receiver)
        lone = in_turn(LONE_JOBS, ways, lambda way: lone_job(way, receiver), pause_seconds=_PAUSE_SECONDS)
        posted = in_turn(ROUNDS, ways, lambda way: burst(way, receiver))
        direct = [way for way in ways if way.sends_from_within]
        within = in_turn(ROUNDS, direct, lambda way: burst(way, receiver, within=True))
        azurite_pid = next(way.pids[1] for way in ways if way.name == AZURITE)
        storage = storage_cost(azurite.connection_string, azurite_pid, jobs=60, threads=THREADS)
    return describe(Figures(ways, lone, posted, within, storage))


# The ways


@contextmanager
def started_ways(azurite: Azurite) -> Iterator[list[Way]]:
    """Every way that can be run here."""
    with ExitStack() as stack:
        address, pid = stack.enter_context(serving("bench.ways.background_tasks"))
        ways = [Way(SEED, address, "/jobs", (pid,))]
        if not celery_is_missing():
            ways += [stack.enter_context(celery(pool)) for pool in CELERY]
        address, pid = stack.enter_context(serving("bench.ways.memory"))
        ways.append(Way(MEMORY, address, "/v1/generations", (pid,), sends_from_within=True))
        prepare_storage(azurite.connection_string)
        app_dir = PROJECT / "bench" / "empty_job"
        host = HostProcess(azurite.connection_string, app_dir=app_dir, settings=HOST_SETTINGS, grace_seconds=5)
        stack.enter_context(host)
        pids = (host.pid, azurite._running().pid)
        ways.append(Way(AZURITE, host.base_url, "/v1/generations", pids, burst_jobs=100))
        yield ways


@contextmanager
def celery(pool: str) -> Iterator[Way]:
    """A Redis, a worker and FastAPI in front, on ports of their own."""
    port = free_ports(1)[0]
    environ = {"BENCH_REDIS": f"redis://127.0.0.1:{port}/0"}
    worker = ("-A", "bench.ways.celery_tasks", "worker", "--pool", pool, "--concurrency", str(THREADS))
    with (
        redis(port) as redis_pid,
        running(sys.executable, "-m", "celery", *worker, environ=environ) as process,
        serving("bench.ways.celery_front", environ) as (address, front_pid),
    ):
        yield Way(CELERY[pool], address, "/jobs", (front_pid, process.pid, redis_pid), sends_from_within=True)


def celery_is_missing() -> str:
    """What to install before Celery can be measured; empty if nothing."""
    if shutil.which("redis-server") is None:
        return "redis-server is not on the PATH: `apt-get install redis-server` or `brew install redis`"
    return "" if find_spec("celery") else "celery is not installed: `pip install -r requirements-bench.txt`"


# Measuring


def in_turn(rounds: int, ways: list[Way], work: Callable[[Way], T], pause_seconds: float = 0) -> dict[str, list[T]]:
    """What ``work`` gave for each way; every round goes through all of them, in an order of its own."""
    results: dict[str, list[T]] = defaultdict(list)
    for _ in range(rounds):
        time.sleep(pause_seconds * random.uniform(1, 1.5))
        for way in random.sample(ways, len(ways)):
            results[way.name].append(work(way))
    return results


def warm_up(way: Way, receiver: CallbackReceiver) -> None:
    """A few jobs, so that connections are open and queues are watched closely."""
    tokens = _new_tokens(WARM_UP_JOBS)
    _post(way, receiver, tokens)
    receiver.wait_for(tokens, _WAIT_SECONDS)


def lone_job(way: Way, receiver: CallbackReceiver) -> Lone:
    """One job while nothing else is to do."""
    tokens = _new_tokens(1)
    started = time.monotonic()
    answer = _post(way, receiver, tokens)[0]
    total_ms = (receiver.wait_for(tokens, _WAIT_SECONDS) - started) * 1000
    return Lone(total_ms, _queued_ms(way, answer["job_id"]) if "links" in answer else None)


def burst(way: Way, receiver: CallbackReceiver, *, within: bool = False) -> Burst:
    """Many jobs at once, right after a few others."""
    warm_up(way, receiver)
    tokens = _new_tokens(way.burst_jobs)
    before = [cpu_seconds(pid) for pid in way.pids]
    started = time.monotonic()
    if within:
        prefix = tokens[0].removesuffix("0")
        _request(way, "/burst", {"url": receiver.url(prefix), "count": len(tokens)})
    else:
        _post(way, receiver, tokens)
    wall = receiver.wait_for(tokens, _WAIT_SECONDS) - started
    cpu = [cpu_seconds(pid) - earlier for pid, earlier in zip(way.pids, before, strict=True)]
    return Burst(wall / len(tokens) * 1000, tuple(seconds / len(tokens) * 1000 for seconds in cpu))


def _new_tokens(count: int) -> list[str]:
    series = next(_tokens)
    return [f"{series}-{number}" for number in range(count)]


def _post(way: Way, receiver: CallbackReceiver, tokens: list[str]) -> list[Any]:
    """Post a job for each token over a few connections; the answers."""
    shares = [tokens[start::SENDERS] for start in range(min(SENDERS, len(tokens)))]
    with ThreadPoolExecutor(SENDERS) as pool:
        answers = pool.map(lambda share: _request(way, way.path, *map(way.body, map(receiver.url, share))), shares)
        return [answer for some in answers for answer in some]


def _request(way: Way, path: str, *bodies: dict[str, Any]) -> list[Any]:
    connection = http.client.HTTPConnection(urlsplit(way.base_url).netloc, timeout=_WAIT_SECONDS)
    answers = []
    for body in bodies:
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status != 202:
            raise RuntimeError(f"{way.name} answered {response.status}: {content[:500]!r}")
        answers.append(json.loads(content))
    connection.close()
    return answers


def _queued_ms(way: Way, job_id: str) -> float:
    """How long a Stemworks job waited: until it was claimed, and its callback until it was tried."""
    job = _get(way, f"/v1/jobs/{job_id}")
    deadline = time.monotonic() + _WAIT_SECONDS
    while not (deliveries := _get(way, f"/v1/jobs/{job_id}/deliveries")["deliveries"]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the delivery of job {job_id} was not logged")
        time.sleep(0.01)  # it is logged after the callback has been answered
    tried = deliveries[0]["tries"][0]["at"]
    return _between(job["created_at"], job["started_at"]) + _between(job["finished_at"], tried)


def _between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds() * 1000


def _get(way: Way, path: str) -> Any:
    connection = http.client.HTTPConnection(urlsplit(way.base_url).netloc, timeout=_WAIT_SECONDS)
    connection.request("GET", path)
    content = connection.getresponse().read()
    connection.close()
    return json.loads(content)


# Describing


def describe(figures: Figures) -> Section:
    """The section."""
    return Section(
        "Overhead of a job",
        "An empty job, from its POST to the arrival of its callback, at the same receiver. Celery has FastAPI in "
        f"front, keeps its results in Redis, and runs as many jobs at a time as one of our queue functions: {THREADS}. "
        "“Azurite” is the real app under the local host, each a process; “in memory” is the same API, runner and "
        f"deliveries over the in-memory adapters, with {THREADS} threads. Background tasks keep nothing that "
        "outlives the process. **Overhead** is the time a job takes in a burst: 1 / (jobs a second), by the clock. "
        f"Medians of {ROUNDS} rounds, {LONE_JOBS} for a lone job; every round measures all ways in turn. CPU is that "
        "of the way's own processes.",
        [_burst_table(figures), _lone_table(figures)],
        _goals(figures),
        [_storage_note(figures), *filter(None, [_missing_note()])],
    )


def wall_ms(bursts: list[Burst]) -> float:
    """The median overhead."""
    return statistics.median(burst.wall_ms for burst in bursts)


def ratio(bursts: dict[str, list[Burst]], name: str, to: str) -> float:
    """The median of the ratios within a round."""
    return statistics.median(a.wall_ms / b.wall_ms for a, b in zip(bursts[name], bursts[to], strict=True))


def _burst_table(figures: Figures) -> Table:
    rows = []
    for bursts, how in ((figures.posted, "POST"), (figures.within, "from the queue")):
        celery_name = figures.faster_celery(bursts)
        for name, measured in sorted(bursts.items()):
            wall = wall_ms(measured)
            cpu = statistics.median(sum(burst.cpu_ms) for burst in measured)
            compared = f"{ratio(bursts, name, celery_name):.2f}" if celery_name else "-"
            rows.append([f"{name}, {how}", f"{1000 / wall:.0f}", f"{wall:.2f}", f"{cpu:.2f}", compared])
    return Table(("burst", "jobs a second", "overhead, ms", "CPU ms a job", "overhead, x Celery's"), rows)


def _lone_table(figures: Figures) -> Table:
    rows = []
    for name, measured in sorted(figures.lone.items()):
        total = statistics.median(lone.total_ms for lone in measured)
        queued = [lone.queued_ms for lone in measured if lone.queued_ms is not None]
        rest = [lone.total_ms - lone.queued_ms for lone in measured if lone.queued_ms is not None]
        cells = [f"{statistics.median(values):.1f}" if values else "-" for values in (queued, rest)]
        rows.append([name, f"{total:.1f}", *cells])
    return Table(("lone job", "POST to callback, ms", "of which in queues", "the rest"), rows)


def _goals(figures: Figures) -> list[Goal]:
    celery_name = figures.faster_celery(figures.posted)
    celery_within = figures.faster_celery(figures.within)
    if celery_name is None or celery_within is None:
        return []
    through = ratio(figures.posted, AZURITE, celery_name)
    posted = ratio(figures.posted, MEMORY, celery_name)
    within = ratio(figures.within, MEMORY, celery_within)
    return [
        Goal(
            f"through Azurite at most {AZURITE_LIMIT:g} times the overhead of the faster Celery", through, AZURITE_LIMIT
        ),
        Goal(
            f"in memory, from the queue to the callback, at most {MEMORY_LIMIT:g} times that overhead",
            within,
            MEMORY_LIMIT,
        ),
        Goal(f"in memory, from the POST to the callback, at most {MEMORY_LIMIT:g} times", posted, MEMORY_LIMIT),
    ]


def _storage_note(figures: Figures) -> str:
    cost, bursts = figures.storage, figures.posted[AZURITE]
    host, azurite = (statistics.median(burst.cpu_ms[index] for burst in bursts) for index in (0, 1))
    return (
        f"What Azurite itself costs: the twelve storage requests of an empty job, made with the SDKs and nothing "
        f"else, take {cost.alone_ms:.1f} ms one after the other, and {cost.busy_ms:.1f} ms a job in {THREADS} "
        f"threads: {cost.busy_ms / wall_ms(bursts):.0%} of the overhead through Azurite. Their CPU time is "
        f"{cost.sdk_cpu_ms:.1f} ms in the SDKs and {cost.azurite_cpu_ms:.1f} ms in Azurite; a job of the burst took "
        f"{host:.1f} ms in the host and {azurite:.1f} ms in Azurite. A lone job waits until the host polls two "
        "queues, up to `maxPollingInterval` each."
    )


def _missing_note() -> str:
    missing = celery_is_missing()
    return f"Celery was not measured, and so neither were the goals: {missing}." if missing else ""
