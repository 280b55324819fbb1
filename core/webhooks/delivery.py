"""Delivers one event: load the job, sign, post, keep a log, and queue the next try if there must be one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import DeliveryNotFound, JobNotFound, JobStateConflict, RowChanged, RowNotFound
from core.jobs.messages import CALLBACKS, CallbackMessage
from core.jobs.model import Job, JobStatus, Model
from core.jobs.store import JobStore
from core.ports import Clock, Queues, Remove, Replace, Row, Table
from core.settings import Settings
from core.webhooks.address_guard import check_callback_url
from core.webhooks.events import PROGRESS, event_of, sequence_of
from core.webhooks.payloads import build_payload, build_test_payload
from core.webhooks.retry import DeliveryStatus, Verdict, judge
from core.webhooks.sender import Outcome, Sender
from core.webhooks.signing import signed_headers

log = logging.getLogger(__name__)

_LARGEST_COMMIT = 100  # changes that one transaction may hold


class Try(Model):
    """One POST: when, and how it went."""

    at: datetime
    status_code: int | None
    error: str | None
    duration_seconds: float


class Delivery(Model):
    """One event on its way to one address; ``delivery_id`` is the ``webhook-id`` that the receiver sees."""

    delivery_id: str
    job_id: str
    event: str
    sequence: int
    url: str
    status: DeliveryStatus
    tries: tuple[Try, ...] = ()
    next_try_at: datetime | None = None


def _uncounted(status: DeliveryStatus) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Deliveries:
    """Delivers events and keeps the log of it; ``count`` is told how each try went."""

    table: Table
    jobs: JobStore
    queues: Queues
    sender: Sender
    clock: Clock
    chance: Callable[[], float]
    new_id: Callable[[], str]
    settings: Settings
    count: Callable[[DeliveryStatus], None] = _uncounted

    def deliver(self, message: CallbackMessage) -> DeliveryStatus | None:
        """Make one try. ``None`` if there is nothing to tell (any more)."""
        status = self._deliver(message)
        if status is not None:
            self.count(status)
        return status

    def of_job(self, job_id: str) -> list[Delivery]:
        """Every delivery of a job."""
        return [_decode(row) for row in self.table.scan(job_id, "", "~", 1000)]

    def redeliver(self, job_id: str, delivery_id: str) -> Delivery:
        """Queue the event once more, whatever came of it so far.

        Raises ``DeliveryNotFound``, or ``JobStateConflict`` if the receiver is gone.
        """
        try:
            delivery = _decode(self.table.get(job_id, delivery_id))
        except RowNotFound:
            raise DeliveryNotFound(f"job {job_id} has no delivery {delivery_id!r}") from None
        job = self.jobs.get(job_id)
        if job.callback and job.callback.disabled:
            raise JobStateConflict(f"the receiver of job {job_id} answered 410 Gone, so its callbacks are off")
        queued = delivery.evolve(status=DeliveryStatus.RETRYING, next_try_at=self.clock())
        self._log(queued)
        number = len(delivery.tries) + 1
        message = CallbackMessage(job_id=job_id, event=delivery.event, sequence=delivery.sequence, try_number=number)
        self.queues.send(CALLBACKS, message.model_dump_json())
        return queued

    def test(self, url: str) -> tuple[str, Outcome]:
        """Send one signed ``webhook.test`` event, which is neither logged nor repeated: its id, and how it went.

        Raises ``InvalidRequest`` if the address may not be called.
        """
        check_callback_url(url, "/url", self.settings)
        now = self.clock()
        message_id = f"msg_test_{self.new_id()}"
        body = build_test_payload(now)
        return message_id, self.sender.post(
            url, body, signed_headers(self.settings.webhook_secrets, message_id, now, body)
        )

    def forget(self, job_id: str) -> None:
        """Remove the log of a job."""
        while rows := self.table.scan(job_id, "", "~", _LARGEST_COMMIT):
            self.table.commit(job_id, *(Remove(row.key) for row in rows))

    def _deliver(self, message: CallbackMessage) -> DeliveryStatus | None:
        try:
            job = self.jobs.get(message.job_id)
        except JobNotFound:
            return None
        if job.callback is None or job.callback.disabled:
            return None
        known = self._known(message)
        if known and (message.replay or known.status is DeliveryStatus.DELIVERED):
            return None
        delivery = known or self._new(message, job.callback.url)
        if _overtaken(job, message):
            return self._log(delivery.evolve(status=DeliveryStatus.SUPERSEDED, next_try_at=None))
        return self._try(job, message, delivery)

    def _try(self, job: Job, message: CallbackMessage, delivery: Delivery) -> DeliveryStatus:
        now = self.clock()
        body = build_payload(job, message.event)
        headers = signed_headers(self.settings.webhook_secrets, delivery.delivery_id, now, body)
        outcome = self.sender.post(delivery.url, body, headers)
        schedule = self.settings.callback_retry_seconds
        verdict = judge(outcome, message.event, message.try_number, schedule, self.chance())
        status = self._log(_tried(delivery, outcome, verdict, now))
        log.info("job %s: %s to %s: %s", job.job_id, message.event, delivery.url, status)
        self._follow_up(job, message, verdict)
        return status

    def _follow_up(self, job: Job, message: CallbackMessage, verdict: Verdict) -> None:
        if verdict.delay_seconds is not None:
            again = message.evolve(try_number=message.try_number + 1, replay=False)
            self.queues.send(CALLBACKS, again.model_dump_json(), verdict.delay_seconds)
        elif verdict.status is DeliveryStatus.DISABLED:
            self._disable(job)

    def _disable(self, job: Job) -> None:
        while job.callback and not job.callback.disabled:
            off = job.evolve(callback=job.callback.evolve(disabled=True), revision=job.revision + 1)
            try:
                self.jobs.replace(job, off)
                return
            except RowChanged:
                job = self.jobs.get(job.job_id)

    def _known(self, message: CallbackMessage) -> Delivery | None:
        """The log so far. The first try of a first announcement has none, and is spared the look."""
        if message.try_number == 1 and not message.replay:
            return None
        try:
            return _decode(self.table.get(message.job_id, _delivery_id(message)))
        except RowNotFound:
            return None

    def _new(self, message: CallbackMessage, url: str) -> Delivery:
        return Delivery(
            delivery_id=_delivery_id(message),
            job_id=message.job_id,
            event=message.event,
            sequence=message.sequence,
            url=url,
            status=DeliveryStatus.RETRYING,
        )

    def _log(self, delivery: Delivery) -> DeliveryStatus:
        self.table.commit(delivery.job_id, Replace(delivery.delivery_id, delivery.model_dump_json()))
        return delivery.status


def _overtaken(job: Job, message: CallbackMessage) -> bool:
    """Whether the job has gone on since: a failure that was retried is no news any more."""
    if message.event == PROGRESS:
        return job.status.ended
    told = job.status is JobStatus.EXPIRED or event_of(job) == message.event
    return not told or sequence_of(job, message.event) != message.sequence


def _tried(delivery: Delivery, outcome: Outcome, verdict: Verdict, now: datetime) -> Delivery:
    made = Try(
        at=now,
        status_code=outcome.status_code,
        error=outcome.error,
        duration_seconds=round(outcome.duration_seconds, 3),
    )
    delay = verdict.delay_seconds
    next_try_at = now + timedelta(seconds=delay) if delay is not None else None
    return delivery.evolve(status=verdict.status, tries=(*delivery.tries, made), next_try_at=next_try_at)


def _delivery_id(message: CallbackMessage) -> str:
    text = f"{message.job_id}:{message.event}:{message.sequence}"
    return "msg_" + hashlib.sha256(text.encode()).hexdigest()[:27]


def _decode(row: Row) -> Delivery:
    return Delivery.model_validate_json(row.document)
