"""Stemworks in one process: the real API, runner and deliveries over the in-memory adapters."""

from __future__ import annotations

import logging
import threading
from typing import Any

from pydantic import BaseModel

from bench.ways import THREADS
from bench.ways.empty_worker import EmptyWorker
from core.bootstrap import build, memory_storage
from core.generation.request import GenerationRequest
from core.jobs.messages import CALLBACKS, CPU_REQUESTS, CallbackMessage, JobMessage
from core.jobs.model import JobKind
from core.settings import Settings
from functions.http.app import create_app

_storage = memory_storage()
_queues: Any = _storage.queues
_services = build(
    Settings.read({"ALLOW_PRIVATE_CALLBACKS": "true"}), _storage, workers={JobKind.GENERATION: EmptyWorker()}
)


class Burst(BaseModel):
    """Jobs whose callbacks go to ``url`` and their number."""

    url: str
    count: int


def burst(jobs: Burst) -> None:
    """Submit many, without HTTP in between."""
    for number in range(jobs.count):
        body = {"target_stems": ["bass"], "callback_url": f"{jobs.url}{number}"}
        request = GenerationRequest.model_validate(body)
        _services.jobs.submit(_services.generations.planner.plan(request, job_id=_services.new_id()))


def _receive() -> None:
    while True:
        if received := _queues.receive(CPU_REQUESTS, CALLBACKS, timeout_seconds=0.05):
            queue, body = received
            try:
                _handle(queue, body)
            except Exception:
                logging.exception("a message in %s failed", queue)


def _handle(queue: str, body: str) -> None:
    if queue == CALLBACKS:
        _services.deliveries.deliver(CallbackMessage.model_validate_json(body))
    else:
        _services.runner.run(JobMessage.model_validate_json(body).job_id)


app = create_app(lambda: _services)
app.post("/burst", status_code=202)(burst)
for _ in range(THREADS):
    threading.Thread(target=_receive, daemon=True).start()
