"""The seeds' own way: FastAPI, its background tasks, a folder for each job. A restart loses every job."""

from __future__ import annotations

import json
import tempfile
import uuid
from pathlib import Path

import httpx
from fastapi import BackgroundTasks, FastAPI
from pydantic import BaseModel

app = FastAPI()
jobs: dict[str, dict[str, str]] = {}
_folder = Path(tempfile.mkdtemp(prefix="bench-jobs-"))
_client = httpx.Client(trust_env=False)


class JobRequest(BaseModel):
    """Where to call back."""

    callback_url: str


@app.post("/jobs", status_code=202)
def create_job(request: JobRequest, tasks: BackgroundTasks) -> dict[str, str]:
    """Answer at once, work after the answer."""
    job_id = str(uuid.uuid4())
    jobs[job_id] = {"job_id": job_id, "status": "queued"}
    tasks.add_task(_run, job_id, request.callback_url)
    return jobs[job_id]


def _run(job_id: str, callback_url: str) -> None:
    jobs[job_id]["status"] = "processing"
    folder = _folder / job_id
    folder.mkdir()
    jobs[job_id]["status"] = "completed"
    (folder / "job.json").write_text(json.dumps(jobs[job_id]))
    _client.post(callback_url, json=jobs[job_id]).raise_for_status()
