"""A completed job of every kind, to ask about: really run in memory, but for a bridge, whose row is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

from core.bootstrap import Services, build, memory_storage
from core.errors import DeadlineExceeded
from core.jobs.messages import CPU_REQUESTS
from core.jobs.model import EngineStamp, Job, JobError, JobKind, JobStatus, Output
from core.settings import Settings
from tests.clock import Clock
from tests.in_process import call
from tests.music import band
from tests.songs import encoded, song

SHA256 = "7b" * 32


@cache
def services() -> Services:
    """The services that made the examples."""
    return build(Settings.read({"LONGEST_SOURCE_SECONDS": "60"}), memory_storage())


@cache
def example(kind: JobKind) -> Job:
    """A completed job of this kind."""
    return _MAKERS[kind]()


def bridge(**result: Any) -> Job:
    """A completed bridge between two tracks of 96 and 120 beats a minute; ``result`` replaces what was measured."""
    clock = Clock()
    created, now = clock(), clock() + timedelta(seconds=42)
    job = Job(
        job_id="bridge-1", kind=JobKind.BRIDGE, queue=CPU_REQUESTS, request=_BRIDGE_REQUEST, fingerprint="f",
        engine=EngineStamp(name="morph", version="1", licence="MIT"), audio_file_id="bridge-1",
        folder="bridge-1/bridged/bridge-1/", attempts_allowed=5, estimated_seconds=2.1, created_at=created,
        updated_at=created, expires_at=created + timedelta(days=1), retention_seconds=86400, sent_at=created,
    )  # fmt: skip
    measured = _BRIDGE_RESULT | result
    running = job.claimed(created + timedelta(seconds=2), 300).evolve(result=measured)
    return running.evolve(outputs=tuple(_bridge_output(made) for made in measured["bridges"])).completed(now)


def _bridge_output(made: dict[str, Any]) -> Output:
    return Output(
        name=made["name"], stem_type=f"bridge-{made['ratio']:g}", blob_url=f"http://blobs/{made['name']}",
        file_size_bytes=768044, format="wav", sample_rate=24000, channels=1, duration_seconds=16.0, sha256=SHA256,
        loudness_lufs=made["loudness_lufs"], true_peak_dbtp=made["true_peak_dbtp"],
    )  # fmt: skip


def _run(path: str, **options: Any) -> Job:
    answer = call(services(), "POST", path, **options)
    assert answer.status_code in (200, 202), answer.text
    job_id = answer.json()["job_id"]
    services().runner.run(job_id)
    job = services().jobs.get(job_id)
    assert job.status == "completed", job.error
    return job


def _send(path: str, content: bytes, **fields: str) -> Job:
    parts = [(key, (None, value)) for key, value in fields.items()]
    return _run(path, files=[*parts, ("file", ("song.wav", content))])


def _generation() -> Job:
    parameters = {"duration_seconds": 4, "target_bpm": 110, "style": "rock", "random_seed": 7}
    return _run("/v1/generations", json={"target_stems": ["drums", "bass"], "parameters": parameters})


def _separation() -> Job:
    return _send("/v1/separations", encoded(song(4)), engine="spectral", residual="true")


def _effects() -> Job:
    chain = '[{"type": "lowpass", "frequency_hz": 500}, {"type": "reverb", "decay_seconds": 0.5}]'
    return _send("/v1/effects", encoded(song(2)), effects=chain)


def _analysis() -> Job:
    return _send("/v1/analyses", encoded(band(seconds=16).samples))


def _accompaniment() -> Job:
    body = {"chords": ["C", "G", "Am", "F"], "tempo_bpm": 120, "random_seed": 7, "target_stems": ["drums", "bass"]}
    return _run("/v1/accompaniments", json=body)


def _sound() -> Job:
    note = {"instrument": "electric_guitar", "string": 3, "fret": 5, "velocity": 0.7, "duration_seconds": 0.5}
    return _run("/v1/sounds/generate", json=note)


def _sound_batch() -> Job:
    body = {
        "instrument": "electric_guitar",
        "notes": [{"string": 6, "fret": 0}, {"string": 6, "fret": 1}],
        "duration_seconds": 0.3,
    }
    return _run("/v1/sounds/batch", json=body)


_MAKERS: dict[JobKind, Callable[[], Job]] = {
    JobKind.GENERATION: _generation,
    JobKind.SEPARATION: _separation,
    JobKind.SOUND: _sound,
    JobKind.SOUND_BATCH: _sound_batch,
    JobKind.EFFECTS: _effects,
    JobKind.ANALYSIS: _analysis,
    JobKind.ACCOMPANIMENT: _accompaniment,
    JobKind.BRIDGE: bridge,
}


def _track(name: str) -> dict[str, Any]:
    source = {"container": "uploads", "name": f"u/{name}", "etag": "1", "size_bytes": 5292044, "filename": name}
    audio = {"container": "wav", "codec": "pcm_s16le", "sample_rate": 44100, "channels": 2, "duration_seconds": 30.0}
    return {"source": source | {"sha256": SHA256}, "audio": audio, "longest_seconds": 600.0}


_BRIDGE_REQUEST: dict[str, Any] = {
    "ratios": [0.25, 0.5], "start_seconds": 0.0, "end_seconds": 16.0, "track2_start_seconds": 0.0,
    "crossfade_seconds": 1.0, "stereo": False, "sample_rate": 24000, "format": "wav16", "engine": "morph",
    "model": None, "use": None, "audio_file_id": None, "expires_in_seconds": None,
    "track1": _track("calm.wav"), "track2": _track("dance.wav"),
}  # fmt: skip


def _heard(tempo_bpm: float, key: str, brightness_hz: float) -> dict[str, Any]:
    return {
        "duration_seconds": 16.0, "tempo_bpm": tempo_bpm, "tempo_confidence": 0.82, "beats_per_bar": 4, "beats": 26,
        "key": key, "key_confidence": 0.31, "tuning_hz": 441.2, "tuning_cents": 4.7, "chords": 8,
        "first_chords": ["C", "G", "Am", "F"], "sections": "AB", "integrated_lufs": -14.2, "range_lu": 3.1,
        "true_peak_dbtp": -0.6, "brightness_hz": brightness_hz,
    }  # fmt: skip


_BRIDGE_RESULT: dict[str, Any] = {
    "start_seconds": 0.0, "track2_start_seconds": 0.0, "duration_seconds": 16.0, "sample_rate": 24000, "channels": 1,
    "segments": 1, "segment_seconds": 16.0, "crossfade_seconds": 1.0,
    "tracks": {"track1": _heard(96.0, "A minor", 1450.0), "track2": _heard(120.0, "C major", 2890.0)},
    "bridges": [
        {"name": "bridge-0.25.wav", "ratio": 0.25, "gain_db": -0.5, "loudness_lufs": -17.2, "true_peak_dbtp": -1.3},
        {"name": "bridge-0.5.wav", "ratio": 0.5, "gain_db": 2.0, "loudness_lufs": -23.4, "true_peak_dbtp": -6.1},
    ],
    "weights": None, "compute": None,
}  # fmt: skip


def in_state(kind: JobKind, status: JobStatus) -> Job:
    """A job of this kind in this state, with what it would have then."""
    done = example(kind)
    if status is JobStatus.COMPLETED:
        return done
    clock = Clock()
    start = clock()
    fresh = done.evolve(
        status=JobStatus.QUEUED, stage="queued", status_message="waiting for a worker", progress=0.0, attempt=0,
        outputs=(), result=None, history=(), created_at=start, started_at=None, finished_at=None, error=None,
    )  # fmt: skip
    running = fresh.claimed(start + timedelta(seconds=3), 300)
    broken = JobError(
        type="storage-unavailable", title="Storage does not answer", detail="it was down", next_step="Try again."
    )
    again = running.released(broken, start + timedelta(seconds=9)).claimed(start + timedelta(seconds=11), 300)
    halfway = again.advanced(0.4, "working", "40 of 100 parts", start + timedelta(seconds=20), 300)
    late = JobError.of(DeadlineExceeded("the attempt ran longer than JOB_DEADLINE_SECONDS allows"))
    states = {
        JobStatus.QUEUED: fresh,
        JobStatus.PROCESSING: halfway,
        JobStatus.FAILED: halfway.failed(late, start + timedelta(seconds=31)),
        JobStatus.CANCELED: halfway.canceled(start + timedelta(seconds=31)),
        JobStatus.EXPIRED: done.expiring(start + timedelta(days=9)).expired(start + timedelta(days=9)),
    }
    return states[status]
