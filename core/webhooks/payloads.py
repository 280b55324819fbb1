"""What a callback says."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from core.generation.request import SeedParameters
from core.jobs.model import Job, JobStatus, Output
from core.jobs.view import job_view

_LARGEST_BYTES = 20_000  # Standard Webhooks: a payload stays under 20 kB


def build_payload(job: Job, event: str) -> str:
    """The body of the callback for ``event``, in the shape that the client's route promises."""
    assert job.callback is not None
    body = _seed(job) if job.callback.payload == "seed" else _standard(job, event)
    return _json(body)


def build_test_payload(now: datetime) -> str:
    """The body of a test delivery."""
    data = {"message": "This is a test of your receiver; no job stands behind it."}
    return _json({"type": "webhook.test", "timestamp": _utc(now), "data": data})


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _standard(job: Job, event: str) -> dict[str, Any]:
    data = job_view(job)
    del data["previews"]  # of no use once the files are there
    if len(json.dumps(data, ensure_ascii=False).encode()) > _LARGEST_BYTES:
        del data["request"]  # the client knows what it sent; links.self has it all
    return {"type": event, "timestamp": _utc(job.updated_at), "data": data}


def _seed(job: Job) -> dict[str, Any]:
    """The flat body that clients of ``POST /generate`` read."""
    body: dict[str, Any] = {
        "generation_request_id": job.job_id,
        "audio_file_id": job.audio_file_id,
        "status": job.status.value,
        "processing_time_seconds": _processing_seconds(job),
        "generated_stems": [_seed_stem(output) for output in job.outputs],
        "parameters": {name: job.request["parameters"].get(name) for name in SeedParameters.model_fields},
    }
    if job.status is JobStatus.FAILED and job.error:
        body["error"] = job.error.detail
    return body


def _seed_stem(output: Output) -> dict[str, Any]:
    fields = {"stem_type", "blob_url", "file_size_bytes", "format", "sample_rate", "channels"}
    return output.model_dump(include=fields)


def _processing_seconds(job: Job) -> float:
    end = job.finished_at or job.updated_at
    return round((end - (job.started_at or end)).total_seconds(), 3)


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
