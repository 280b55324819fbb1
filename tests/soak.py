"""Breaks things at random for a while, then looks whether every job that was accepted ended and was told of.

``python -m tests.soak --seconds 60 --seed 1`` ends with status 1 if a job is lost, stuck or incomplete, or if its
client was not told. It is too long and too much a matter of chance for the suite: run it after a change to jobs,
queues or callbacks.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.e2e.api import ENDED, Api
from tests.e2e.conftest import SETTINGS
from tests.receiver import Receiver

STEMS = ("bass", "drums", "piano")
IMPATIENT = SETTINGS | {
    "JOB_LEASE_SECONDS": "2",
    "RESEND_AFTER_SECONDS": "3",
    "CALLBACK_TIMEOUT_SECONDS": "2",
    "CALLBACK_RETRY_SECONDS": "1,1,1,1,1",
    "PROGRESS_INTERVAL_SECONDS": "0.2",
    "AzureFunctionsJobHost__extensions__queues__visibilityTimeout": "00:00:01",
}
SETTLE_SECONDS = 150.0


class Victim:
    """A stack, and what may happen to it."""

    def __init__(self) -> None:
        self.azurite = Azurite(data_dir=Path(tempfile.mkdtemp(prefix="soak-")))
        self.azurite.start()
        prepare_storage(self.azurite.connection_string)
        self.host = HostProcess(self.azurite.connection_string, settings=IMPATIENT).start()

    @property
    def api(self) -> Api:
        return Api(self.host.base_url)

    def kill_host(self) -> None:
        self.host.kill()
        self.host = HostProcess(self.azurite.connection_string, settings=IMPATIENT).start()

    def freeze_storage(self) -> None:
        self.azurite.pause()
        time.sleep(2)
        self.azurite.resume()

    def restart_storage(self) -> None:
        self.azurite.stop()
        self.azurite.start()

    def recover(self) -> None:
        httpx.post(f"{self.host.base_url}/admin/functions/recover_jobs?wait=true", json={}, timeout=60)

    def stop(self) -> None:
        self.host.kill()
        self.azurite.stop()


def torment(victim: Victim, receiver: Receiver, seconds: float, chance: random.Random) -> list[str]:
    """Submit jobs and break things; returns the ids of the jobs that were accepted."""
    accepted: list[str] = []
    end = time.monotonic() + seconds
    next_fault = time.monotonic() + 4
    while time.monotonic() < end:
        accepted += submitted(victim, receiver, chance.choice([1, 30, 120]))
        time.sleep(0.5)
        if time.monotonic() > next_fault:
            fault = chance.choice([victim.kill_host, victim.kill_host, victim.freeze_storage, victim.restart_storage])
            print(f"{end - time.monotonic():5.1f} s left, {len(accepted)} jobs: {fault.__name__}", flush=True)
            fault()
            next_fault = time.monotonic() + chance.uniform(3, 7)
    return accepted


def submitted(victim: Victim, receiver: Receiver, duration_seconds: float) -> list[str]:
    """The id of one more job, if it was accepted."""
    parameters = {"duration_seconds": duration_seconds}
    try:
        answer = victim.api.generate(*STEMS, parameters=parameters, callback_url=receiver.url)
    except httpx.HTTPError:
        return []
    return [answer.json()["job_id"]] if answer.status_code == 202 else []


def settled(victim: Victim, receiver: Receiver, accepted: list[str]) -> list[dict[str, Any]]:
    """The jobs, once all have ended and every client was told, or when patience is over."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        victim.recover()  # the timer would come within a minute
        jobs = [victim.api.job(job_id) for job_id in accepted]
        done = all(job["status"] in ENDED for job in jobs) and set(told(receiver)) >= set(accepted)
        if done or time.monotonic() > deadline:
            return jobs
        time.sleep(1)


def told(receiver: Receiver) -> list[str]:
    """The job of each callback that came."""
    return [received.json()["data"]["job_id"] for received in receiver.received]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long to break things (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="which things, and when (default 1)")
    arguments = parser.parse_args()
    victim = Victim()
    try:
        with Receiver() as receiver:
            accepted = torment(victim, receiver, arguments.seconds, random.Random(arguments.seed))
            jobs = settled(victim, receiver, accepted)
            callbacks = Counter(told(receiver))
    finally:
        victim.stop()
    wrong = [job for job in jobs if job["status"] != "completed" or len(job["outputs"]) != len(STEMS)]
    untold = set(accepted) - set(callbacks)
    print(f"{len(accepted)} jobs accepted; attempts: {dict(Counter(job['attempt'] for job in jobs))}")
    print(f"not completed: {len(wrong)}; not told: {len(untold)}; told twice: {sum(n > 1 for n in callbacks.values())}")
    return 1 if wrong or untold else 0


if __name__ == "__main__":
    sys.exit(main())
