"""FastAPI in front of Celery."""

from __future__ import annotations

import uuid

from fastapi import FastAPI
from pydantic import BaseModel

from bench.ways.celery_tasks import run

app = FastAPI()


class JobRequest(BaseModel):
    """Where to call back."""

    callback_url: str


class Burst(BaseModel):
    """Jobs whose callbacks go to ``url`` and their number."""

    url: str
    count: int


@app.post("/jobs", status_code=202)
def create_job(request: JobRequest) -> dict[str, str]:
    """Queue a job."""
    job_id = str(uuid.uuid4())
    run.delay(job_id, request.callback_url)
    return {"job_id": job_id, "status": "queued"}


@app.post("/burst", status_code=202)
def burst(jobs: Burst) -> None:
    """Queue many, without HTTP in between."""
    for number in range(jobs.count):
        run.delay(str(uuid.uuid4()), f"{jobs.url}{number}")
