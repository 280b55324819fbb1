"""Tells a job's group on the channel how the job goes.

Work must neither fail nor slow down because somebody may be watching: announcing leaves the job's newest state behind,
and a thread of its own sends it, each job's at most once a second. Only at a job's end does announcing wait until the
last state is out, since the process may end soon after; and not for long, nor at all while the channel is down.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from core.errors import ChannelError
from core.jobs.model import Job
from core.jobs.view import job_view
from core.ports import Channel

log = logging.getLogger(__name__)

_MOST_JOBS = 1000  # that wait to be told of: more can only come up while the channel hangs; the oldest make room
_INTERVAL_SECONDS = 1.0
_LAST_WAIT_SECONDS = 3.0
_COMPLAINT_SECONDS = 60.0


def job_group(job_id: str) -> str:
    """The group that hears of the job."""
    return f"job-{job_id}"


def job_message(job: Job) -> dict[str, Any]:
    """What the group is told: the whole job, so that a message that was missed is made up by the next."""
    return {"type": "job", "job": job_view(job)}


class ChannelAnnouncer:
    """An ``Announcer`` over a ``Channel``.

    ``now`` is monotonic, in seconds; ``last_wait_seconds`` is the most that the end of a job may be held up.
    """

    def __init__(
        self, channel: Channel, now: Callable[[], float] = time.monotonic, last_wait_seconds: float = _LAST_WAIT_SECONDS
    ) -> None:
        self._channel = channel
        self._now = now
        self._last_wait_seconds = last_wait_seconds
        self._changed = threading.Condition()
        self._waiting: dict[str, Job] = {}
        self._sending: str | None = None
        self._sent_at: dict[str, float] = {}
        self._failing = False
        self._complained_at = float("-inf")
        self._thread: threading.Thread | None = None

    def announce(self, job: Job, *, replay: bool = False) -> None:
        """Have the job's group told of this state, unless a newer one comes before that."""
        with self._changed:
            waiting = self._waiting.get(job.job_id)
            if waiting and waiting.revision > job.revision:
                return
            if waiting is None and len(self._waiting) >= _MOST_JOBS:
                del self._waiting[next(iter(self._waiting))]
            self._waiting[job.job_id] = job
            self._start()
            self._changed.notify_all()
            if job.status.ended and not self._failing:
                self._changed.wait_for(lambda: self._is_out(job.job_id), self._last_wait_seconds)

    def _is_out(self, job_id: str) -> bool:
        return job_id not in self._waiting and self._sending != job_id

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_all, name="job-channel", daemon=True)
            self._thread.start()

    def _send_all(self) -> None:
        while True:
            job = self._next()
            self._send(job)
            with self._changed:
                self._sending = None
                self._changed.notify_all()

    def _next(self) -> Job:
        """Wait for the next job that may be told of, and take it out."""
        with self._changed:
            while True:
                now = self._now()
                due = {job_id: self._due_at(job) for job_id, job in self._waiting.items()}
                job_id = min(due, key=due.__getitem__, default="")
                if job_id and due[job_id] <= now:
                    return self._take(job_id, now)
                self._changed.wait(due[job_id] - now if job_id else None)

    def _due_at(self, job: Job) -> float:
        last = self._sent_at.get(job.job_id)
        return float("-inf") if last is None or job.status.ended else last + _INTERVAL_SECONDS

    def _take(self, job_id: str, now: float) -> Job:
        job = self._waiting.pop(job_id)
        self._sending = job_id
        self._sent_at = {known: at for known, at in self._sent_at.items() if now - at < _INTERVAL_SECONDS}
        if not job.status.ended:
            self._sent_at[job_id] = now
        return job

    def _send(self, job: Job) -> None:
        try:
            self._channel.send_to_group(job_group(job.job_id), job_message(job))
            self._failing = False
        except Exception as error:  # noqa: BLE001 - the thread must outlive whatever one message does to it
            self._complain(job, error)

    def _complain(self, job: Job, error: Exception) -> None:
        self._failing = True
        now = self._now()
        if now - self._complained_at >= _COMPLAINT_SECONDS:
            self._complained_at = now
            unforeseen = None if isinstance(error, ChannelError) else error
            log.warning("job %s: its group was not told: %s", job.job_id, error, exc_info=unforeseen)
