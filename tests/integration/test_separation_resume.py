"""A worker that is killed in the middle of a song: the next one goes on from the last part that is in storage."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from core.bootstrap import Services, azure_storage, build
from core.engines.registry import EngineRegistry
from core.jobs.model import JobStatus
from core.ports import Mixture, SeparationSettings
from core.separation.request import SeparationOptions
from core.settings import Settings
from local.azurite import Azurite
from local.stack import PROJECT
from tests.songs import encoded, song

SECONDS = 240
KILLED_AT = 0.6

WORKER = """
import sys
from core.settings import settings
from tests.integration.test_separation_resume import counting_services

def say(done, steps):
    print(done, steps, flush=True)

counting_services(settings(), say).runner.run(sys.argv[1])
"""


class CountingEngines(EngineRegistry):
    """The real engines; ``say(steps done, steps in all)`` is called after each step."""

    def __init__(self, settings: Settings, blobs: Any, say: Callable[[int, int], None]) -> None:
        super().__init__(settings, blobs)
        self.say = say

    def separation(self, name: str) -> Any:
        return _Counting(super().separation(name), self.say)


class _Counting:
    def __init__(self, real: Any, say: Callable[[int, int], None]) -> None:
        self._real = real
        self._say = say

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @contextmanager
    def load(self, settings: SeparationSettings, wait: Callable[[], None]) -> Iterator[Any]:
        with self._real.load(settings, wait) as separator:
            yield _Counting(separator, self._say)

    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[Any]:
        steps = self._real.steps(mixture, start_frame)
        done = 0

        def counted() -> None:
            nonlocal done
            done += 1
            step()
            self._say(done, steps)

        yield from self._real.separate(mixture, start_frame, counted)


def counting_services(
    settings: Settings, say: Callable[[int, int], None], late_by: timedelta = timedelta(0)
) -> Services:
    """Services over the account of the settings, with a clock that may be ahead."""
    storage = azure_storage(settings)
    return build(
        settings,
        storage,
        engines=CountingEngines(settings, storage.blobs, say),
        clock=lambda: datetime.now(UTC) + late_by,
    )


def killed_at(share: float, job_id: str, environ: dict[str, str]) -> tuple[int, int]:
    """Run a worker and kill it once it has done this share of its steps: how many it did, and how many there were."""
    command = [sys.executable, "-c", WORKER, job_id]
    with subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            done, steps = map(int, line.split())
            if done >= share * steps:
                worker.send_signal(signal.SIGKILL)
                return done, steps
    raise AssertionError("the worker ended before it could be killed")


def test_a_killed_workers_song_is_not_begun_anew(azurite: Azurite) -> None:
    environ = {**os.environ, "AzureWebJobsStorage": azurite.connection_string, "OMP_WAIT_POLICY": "passive"}
    settings = Settings.read(environ)
    done_again: list[int] = []
    after_the_lease = timedelta(seconds=settings.job_lease_seconds + 1)
    services = counting_services(settings, lambda done, steps: done_again.append(done), late_by=after_the_lease)
    wav = encoded(song(SECONDS, 22050, 1), 22050)
    job = services.jobs.submit(
        services.separations.of_file(
            SeparationOptions(stems=("drums",)), io.BytesIO(wav), "song.wav", "0" * 64, job_id=services.new_id()
        )
    )

    done, steps = killed_at(KILLED_AT, job.job_id, environ)
    assert done >= KILLED_AT * steps
    assert services.jobs.get(job.job_id).status is JobStatus.PROCESSING

    services.runner.run(job.job_id)
    ended = services.jobs.get(job.job_id)
    assert (ended.status, ended.attempt) == (JobStatus.COMPLETED, 2), ended.error
    repeated = done + len(done_again) - steps
    print(f"killed after {done} of {steps} steps; the next attempt did {len(done_again)}, {repeated} of them again")
    assert len(done_again) < steps / 2
    assert ended.outputs[0].duration_seconds == SECONDS
