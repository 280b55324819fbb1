"""The sound bank, ``/v1/sounds``: the first sound bank's own routes, as its clients know them, and what came since."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from core.jobs.model import Job, JobKind, JobStatus
from core.soundbank.export import export_files
from core.soundbank.query import SoundQuery
from core.soundbank.request import SampleChange, SoundBatchRequest, SoundRequest
from core.soundbank.sample import Sample
from core.soundbank.view import (
    BatchView,
    SampleView,
    SoundJobView,
    batch_path,
    batch_view,
    sample_view,
    sound_job_path,
    sound_job_view,
)
from core.theory.fretboard import INSTRUMENTS
from core.theory.techniques import TECHNIQUES
from core.validation import fingerprint
from functions.http.dependencies import ServicesDep, idempotency_key, require_json, wait_seconds
from functions.http.ranges import part_of
from functions.http.submission import submitted
from functions.http.zip_stream import zip_stream

router = APIRouter(prefix="/v1/sounds", tags=["sounds"])

_Answers = dict[int | str, dict[str, Any]]

_JOB: _Answers = {202: {"model": SoundJobView}, 200: {"model": SoundJobView, "description": "The sound is there"}}
_BATCH: _Answers = {
    202: {"model": BatchView},
    200: {"model": BatchView, "description": "With Prefer: wait, a batch that ended"},
}
_WAV: _Answers = {200: {"content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}}}
_ZIP: _Answers = {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}


class SoundJobList(BaseModel):
    """A page of jobs; the next one is at ``next_cursor``, which is ``null`` at the end."""

    jobs: list[SoundJobView]
    next_cursor: str | None


class SamplePage(BaseModel):
    """A page of sounds; the next one is at ``next_cursor``, which is ``null`` at the end."""

    samples: list[SampleView]
    next_cursor: str | None


# Making


@router.post("/generate", status_code=202, responses=_JOB, dependencies=[Depends(require_json)])
async def generate_sound(
    body: SoundRequest,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Ask for one note by string, fret, velocity and technique. If the bank has it, the job is complete at once.

    Otherwise `nearest` names a sound of the same kind, if there is one, and the shift that would make it the one that
    was asked for: `derive` does that.
    """
    sounds = services.sounds

    def view(job: Job) -> dict[str, Any]:
        return sound_job_view(job, sounds.made_by(job)[0])

    return await submitted(
        services, lambda job_id: sounds.of_one(body, job_id=job_id), key=f"sounds:{key}" if key else None,
        fingerprint=fingerprint(body), wait=wait, view=view, path=sound_job_path,
    )  # fmt: skip


@router.post("/batch", status_code=202, responses=_BATCH, dependencies=[Depends(require_json)])
async def generate_batch(
    body: SoundBatchRequest,
    services: ServicesDep,
    key: Annotated[str | None, Depends(idempotency_key)],
    wait: Annotated[float, Depends(wait_seconds)],
) -> Any:
    """Ask for many notes: a list of them, a region of the fretboard or a scale, each at one or more velocities.

    There is one callback, at the end. Notes that the bank has are not made again.
    """
    return await submitted(
        services, lambda job_id: services.sounds.of_many(body, job_id=job_id), key=f"batches:{key}" if key else None,
        fingerprint=fingerprint(body), wait=wait, view=batch_view, path=batch_path,
    )  # fmt: skip


# Jobs and batches


@router.get("/jobs", responses={200: {"model": SoundJobList}})
def list_sound_jobs(
    services: ServicesDep,
    status: JobStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[str | None, Query(max_length=500, description="next_cursor of the page before")] = None,
) -> dict[str, Any]:
    """The jobs for one note, newest first."""
    page = services.jobs.page(status, JobKind.SOUND, limit, cursor)
    samples = services.sounds.made_by(*page.jobs)
    jobs = [sound_job_view(job, sample) for job, sample in zip(page.jobs, samples, strict=True)]
    return {"jobs": jobs, "next_cursor": page.next_cursor}


@router.get("/jobs/{job_id}", responses={200: {"model": SoundJobView}})
def get_sound_job(job_id: str, services: ServicesDep) -> dict[str, Any]:
    """The job for one note, and the sound once it is there. `/v1/jobs/{job_id}` has its events, cancel and retry."""
    job = services.sounds.job(job_id)
    return sound_job_view(job, services.sounds.made_by(job)[0])


@router.get("/batch/{batch_id}", responses={200: {"model": BatchView}})
def get_batch(batch_id: str, services: ServicesDep) -> dict[str, Any]:
    """The job for many notes, and how many are there."""
    return batch_view(services.sounds.batch(batch_id))


@router.get("/batch/{batch_id}/samples", responses={200: {"model": SamplePage}})
def list_batch_samples(
    batch_id: str,
    services: ServicesDep,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[int, Query(ge=0, description="next_cursor of the page before")] = 0,
) -> dict[str, Any]:
    """The batch's sounds, while it runs as well, in the order of its notes; deleted ones are left out."""
    services.sounds.batch(batch_id)
    found = services.sounds.of_batch(batch_id, cursor, limit + 1)
    shown = [sample_view(sample) for _, sample in found[:limit] if sample]
    return {"samples": shown, "next_cursor": str(found[limit][0]) if len(found) > limit else None}


@router.get("/batch/{batch_id}/export.zip", responses=_ZIP, response_class=Response)
def export_batch(batch_id: str, services: ServicesDep) -> StreamingResponse:
    """The batch's sounds as a zip that samplers load: WAV files, an SFZ instrument and a JSON manifest."""
    sounds = services.sounds
    batch = sounds.batch(batch_id)
    files = export_files(batch_id, batch.created_at, sounds.notes_of(batch), sounds.read)
    headers = {"Content-Disposition": f'attachment; filename="sounds-{batch_id}.zip"'}
    return StreamingResponse(zip_stream(files), media_type="application/zip", headers=headers)


# Finding


@router.post("/search", responses={200: {"model": SamplePage}}, dependencies=[Depends(require_json)])
def search_sounds(body: SoundQuery, services: ServicesDep) -> dict[str, Any]:
    """Search the bank by anything that is known of a sound.

    A page may hold fewer sounds than `limit`, even none, although there are more: `next_cursor` is `null` at the end.
    """
    page = services.sounds.search(body)
    return {"samples": [sample_view(sample) for sample in page.samples], "next_cursor": page.next_cursor}


@router.get("/instruments")
def list_instruments() -> dict[str, Any]:
    """The instruments with their strings, frets and tunings, and the techniques."""
    instruments = [
        {"name": each.name, "strings": each.strings, "frets": each.frets, "tunings": each.tunings}
        for each in INSTRUMENTS.values()
    ]
    return {"instruments": instruments, "techniques": TECHNIQUES}


# One sound


@router.get("/{sample_id}", responses={200: {"model": SampleView}})
def get_sound(sample_id: str, services: ServicesDep) -> dict[str, Any]:
    """Everything that is known of a sound."""
    return sample_view(services.sounds.get(sample_id))


@router.get("/{sample_id}/download", responses=_WAV, response_class=Response)
def download_sound(
    sample_id: str,
    services: ServicesDep,
    if_none_match: Annotated[str | None, Header(description="The ETag of a copy that is at hand")] = None,
    range_: Annotated[str | None, Header(alias="Range", description="A part, such as bytes=0-65535")] = None,
) -> Response:
    """The sound's file: WAV, 44.1 kHz, stereo, 16 bit. It never changes: `ETag` is its SHA-256."""
    sample = services.sounds.get(sample_id)
    etag = f'"{sample.sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable", "Accept-Ranges": "bytes"}
    if if_none_match and (etag in if_none_match or if_none_match.strip() == "*"):
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = f'attachment; filename="{_file_name(sample)}"'
    size_bytes = sample.file_size_bytes
    part = part_of(range_, size_bytes)
    if part:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size_bytes}"
        return Response(b"".join(services.sounds.read(sample))[part], 206, headers, "audio/wav")
    headers["Content-Length"] = str(size_bytes)
    return StreamingResponse(services.sounds.read(sample), media_type="audio/wav", headers=headers)


@router.patch("/{sample_id}", responses={200: {"model": SampleView}}, dependencies=[Depends(require_json)])
def change_sound(sample_id: str, body: SampleChange, services: ServicesDep) -> dict[str, Any]:
    """Give a sound other tags."""
    return sample_view(services.sounds.retag(sample_id, body.tags))


@router.delete("/{sample_id}", status_code=204)
def delete_sound(sample_id: str, services: ServicesDep) -> None:
    """Remove a sound, its file and everything known of it."""
    services.sounds.delete(sample_id)


def _file_name(sample: Sample) -> str:
    return f"{sample.instrument}_s{sample.string}_f{sample.fret:02d}_{'_'.join(sample.technique)}.wav"
