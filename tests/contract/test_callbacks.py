"""Callbacks: signed, delivered once, tried again on a schedule, never in a worker's way."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from core.bootstrap import Services, build
from core.errors import JobStateConflict
from core.jobs.messages import CALLBACKS, CallbackMessage
from core.jobs.model import Job, JobStatus
from core.settings import Settings
from core.webhooks.events import sequence_of
from core.webhooks.retry import DeliveryStatus
from tests.clock import Clock
from tests.contract.conftest import Account
from tests.receiver import Answer, Receiver

SECRETS = ("whsec_" + "bmV3IHNlY3JldCBmb3IgdGVzdHM=", "whsec_" + "b2xkIHNlY3JldCBmb3IgdGVzdHM=")
NewJob = Callable[..., Job]


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = datetime.now(UTC)  # receivers refuse old timestamps
    return clock


@pytest.fixture
def services(services: Services, clock: Clock) -> Services:
    settings = Settings.read(
        {
            "ALLOW_PRIVATE_CALLBACKS": "true",
            "WEBHOOK_SECRETS": " ".join(SECRETS),
            "CALLBACK_TIMEOUT_SECONDS": "1",
            "CALLBACK_RETRY_SECONDS": "5,300",
        }
    )
    return build(settings, services.storage, clock=clock)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def finished(services: Services, new_job: NewJob, receiver: Receiver, **fields: object) -> Job:
    job = services.jobs.submit(new_job(callback_url=receiver.url, **fields))
    services.runner.run(job.job_id)
    return services.jobs.get(job.job_id)


def completion(job: Job, **fields: Any) -> CallbackMessage:
    """The message of a job's completion, as a later try or a replay."""
    sequence = sequence_of(job, "job.completed")
    return CallbackMessage(job_id=job.job_id, event="job.completed", sequence=sequence, **fields)


def messages(account: Account) -> list[CallbackMessage]:
    return [CallbackMessage.model_validate_json(body) for body in account.receive(CALLBACKS)]


def deliver_all(services: Services, account: Account) -> list[DeliveryStatus | None]:
    return [services.deliveries.deliver(message) for message in messages(account)]


def test_the_end_of_a_job_is_told_signed_and_in_the_standard_shape(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = finished(services, new_job, receiver)
    assert deliver_all(services, account) == [DeliveryStatus.DELIVERED]
    (received,) = receiver.received
    for secret in SECRETS:  # both, while rotating
        Webhook(secret).verify(received.body.encode(), received.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRETS[0]).verify(received.body.encode() + b" ", received.headers)
    body = received.json()
    assert set(body) == {"type", "timestamp", "data"}
    assert body["type"] == "job.completed"
    assert body["data"]["job_id"] == job.job_id
    assert body["data"]["outputs"][0]["name"] == "bass.wav"
    assert len(received.body.encode()) < 20_000


def test_only_the_events_that_were_asked_for_are_told(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    finished(services, new_job, receiver, callback_events=["job.failed"])
    assert messages(account) == []


def test_progress_is_told_to_those_who_ask(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = services.jobs.submit(new_job(callback_url=receiver.url, callback_events=["job.progress", "job.completed"]))
    held = services.runner._claim(job.job_id)
    assert held is not None
    progress = services.runner._progress(held)
    progress.report(0.5, "generating", "half way")
    progress.flush()
    assert deliver_all(services, account) == [DeliveryStatus.DELIVERED]
    body = receiver.received[0].json()
    assert (body["type"], body["data"]["progress"]) == ("job.progress", 0.5)


def test_a_cancellation_is_told(services: Services, new_job: NewJob, account: Account, receiver: Receiver) -> None:
    job = services.jobs.submit(new_job(callback_url=receiver.url))
    services.jobs.cancel(job.job_id)
    deliver_all(services, account)
    assert receiver.received[0].json()["type"] == "job.canceled"


def test_a_message_that_comes_again_tells_nothing_twice(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = finished(services, new_job, receiver)
    deliver_all(services, account)
    services.runner.run(job.job_id)  # the job's message a second time: announced again, in case the first got lost
    services.deliveries.deliver(
        CallbackMessage(
            job_id=job.job_id, event="job.completed", sequence=sequence_of(job, "job.completed"), replay=True
        )
    )
    assert len(receiver.received) == 1


def test_an_announcement_that_got_lost_is_made_up(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = finished(services, new_job, receiver)
    messages(account)  # lost: the worker died between its last write and the queue
    replay = CallbackMessage(
        job_id=job.job_id, event="job.completed", sequence=sequence_of(job, "job.completed"), replay=True
    )
    assert services.deliveries.deliver(replay) is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("status", [500, 503, 404, 302, 301])
def test_any_answer_but_2xx_is_tried_again_later(
    services: Services, new_job: NewJob, account: Account, status: int
) -> None:
    with Receiver(Answer(status, {"location": "http://127.0.0.1:1/elsewhere"}), Answer(204)) as receiver:
        job = finished(services, new_job, receiver)
        assert deliver_all(services, account) == [DeliveryStatus.RETRYING]
        assert messages(account) == []  # the next try is there, invisible
        assert services.storage.queues.count(CALLBACKS) == 1
        (delivery,) = services.deliveries.of_job(job.job_id)
        assert delivery.tries[0].status_code == status
        assert delivery.next_try_at is not None
        again = CallbackMessage(
            job_id=job.job_id, event="job.completed", sequence=sequence_of(job, "job.completed"), try_number=2
        )
        assert services.deliveries.deliver(again) is DeliveryStatus.DELIVERED
        first, second = receiver.received
        assert first.headers["webhook-id"] == second.headers["webhook-id"]
        assert [made.status_code for made in services.deliveries.of_job(job.job_id)[0].tries] == [status, 204]


@pytest.mark.parametrize("value", ["²", "soon", "-1", "", "Wed, 99 Foo 2026 99:99:99 GMT"])
def test_a_retry_after_that_means_nothing_is_passed_over(
    services: Services, new_job: NewJob, account: Account, value: str
) -> None:
    with Receiver(Answer(503, {"retry-after": value})) as receiver:
        finished(services, new_job, receiver)
        assert deliver_all(services, account) == [DeliveryStatus.RETRYING]


def test_a_receiver_that_is_down_or_slow_is_tried_again(services: Services, new_job: NewJob, account: Account) -> None:
    release = threading.Event()
    with Receiver(Answer(wait=lambda: release.wait(20))) as slow:
        job = finished(services, new_job, slow)
        assert deliver_all(services, account) == [DeliveryStatus.RETRYING]
        release.set()
    (made,) = services.deliveries.of_job(job.job_id)[0].tries
    assert made.error == "no answer within 1 s"
    assert made.duration_seconds < 10
    down = finished(services, new_job, slow)
    assert deliver_all(services, account) == [DeliveryStatus.RETRYING]
    assert services.deliveries.of_job(down.job_id)[0].tries[0].status_code is None


def test_after_the_last_try_the_delivery_has_failed_and_can_be_sent_again(
    services: Services, new_job: NewJob, account: Account
) -> None:
    with Receiver(Answer(500), Answer(200)) as receiver:
        job = finished(services, new_job, receiver)
        messages(account)
        last = CallbackMessage(
            job_id=job.job_id, event="job.completed", sequence=sequence_of(job, "job.completed"), try_number=3
        )
        assert services.deliveries.deliver(last) is DeliveryStatus.FAILED
        (delivery,) = services.deliveries.of_job(job.job_id)
        services.deliveries.redeliver(job.job_id, delivery.delivery_id)
        assert deliver_all(services, account) == [DeliveryStatus.DELIVERED]


def test_the_log_of_a_job_can_be_forgotten(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = finished(services, new_job, receiver)
    deliver_all(services, account)
    services.deliveries.forget(job.job_id)
    assert services.deliveries.of_job(job.job_id) == []


def test_a_receiver_that_is_gone_is_left_alone(services: Services, new_job: NewJob, account: Account) -> None:
    with Receiver(Answer(410)) as receiver:
        job = finished(services, new_job, receiver)
        assert deliver_all(services, account) == [DeliveryStatus.DISABLED]
        held = services.jobs.get(job.job_id)
        assert held.callback is not None and held.callback.disabled
        again = CallbackMessage(
            job_id=job.job_id, event="job.completed", sequence=sequence_of(job, "job.completed"), try_number=2
        )
        assert services.deliveries.deliver(again) is None
        assert len(receiver.received) == 1
        (delivery,) = services.deliveries.of_job(job.job_id)
        with pytest.raises(JobStateConflict, match="410"):
            services.deliveries.redeliver(job.job_id, delivery.delivery_id)


def test_two_cancellations_are_two_events(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver, clock: Clock
) -> None:
    job = services.jobs.submit(new_job(callback_url=receiver.url))
    for _ in range(2):
        services.jobs.cancel(job.job_id)
        deliver_all(services, account)
        services.jobs.retry(job.job_id)
        clock.advance(1)
    assert len({received.headers["webhook-id"] for received in receiver.received}) == 2


def test_a_private_address_is_refused_unless_the_settings_allow_it(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver, clock: Clock
) -> None:
    job = finished(services, new_job, receiver)
    strict = build(Settings.read({}), services.storage, clock=clock)
    assert deliver_all(strict, account) == [DeliveryStatus.RETRYING]
    error = services.deliveries.of_job(job.job_id)[0].tries[0].error
    assert error == "the URL must start with https://"
    assert receiver.received == []


def test_news_that_is_out_of_date_is_not_told(
    services: Services, new_job: NewJob, account: Account, receiver: Receiver
) -> None:
    job = services.jobs.submit(new_job(callback_url=receiver.url))
    services.jobs.cancel(job.job_id)
    services.jobs.retry(job.job_id)
    assert deliver_all(services, account) == [DeliveryStatus.SUPERSEDED]
    assert receiver.received == []
    services.runner.run(job.job_id)
    assert services.jobs.get(job.job_id).status is JobStatus.COMPLETED
    assert deliver_all(services, account) == [DeliveryStatus.DELIVERED]


def test_the_first_services_clients_get_its_payload(services: Services, account: Account, receiver: Receiver) -> None:
    from core.generation.request import SeedGenerationRequest

    sent = {
        "generation_request_id": "gen-123e4567...",
        "audio_file_id": "aud-123e4567...",
        "target_stems": ["guitar"],
        "parameters": {
            "target_bpm": 120.0,
            "duration_seconds": 0.5,
            "style": "rock",
            "chord_progression": ["C", "G", "Am", "F"],
            "prompt": "energetic rock guitar",
            "temperature": 1.0,
            "random_seed": 42,
        },
        "callback_url": receiver.url,
    }
    request = SeedGenerationRequest.model_validate(sent)
    job = services.generations.planner.plan(request.modern(), job_id=request.generation_request_id, payload="seed")
    services.jobs.submit(job)
    services.runner.run(job.job_id)
    deliver_all(services, account)
    body = receiver.received[0].json()
    stem = body["generated_stems"][0]
    assert list(body) == [
        "generation_request_id", "audio_file_id", "status", "processing_time_seconds", "generated_stems", "parameters",
    ]  # fmt: skip
    assert list(stem) == ["stem_type", "blob_url", "file_size_bytes", "format", "sample_rate", "channels"]
    assert (body["status"], body["parameters"]) == ("completed", sent["parameters"])
    assert stem["blob_url"].endswith("/audio-files/aud-123e4567.../generated/gen-123e4567.../guitar.wav")
    assert (stem["format"], stem["sample_rate"], stem["channels"]) == ("wav", 44100, 2)
    assert json.loads(json.dumps(body["processing_time_seconds"])) >= 0
    Webhook(SECRETS[0]).verify(receiver.received[0].body.encode(), receiver.received[0].headers)
