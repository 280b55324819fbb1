"""Separation by models of demucs, as jobs: real model classes, small, with random weights, through the real loader."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.bootstrap import Storage, build
from core.errors import LicenceRefused
from core.jobs.messages import CPU_REQUESTS, SEPARATION_REQUESTS
from core.jobs.model import Job, JobStatus
from core.separation.request import SeparationOptions
from core.settings import Settings
from tests.clock import Clock
from tests.contract.conftest import Account
from tests.demucs_models import hybrid_transformer, save, save_bag
from tests.songs import decoded, encoded, level_db, song

SONG = song(2.5)
Run = Callable[..., Job]


@pytest.fixture
def run(storage: Storage, clock: Clock, tmp_path: Path) -> Run:
    """Runs a separation with the weights in ``tmp_path``, or with those in the container ``models``."""

    def run(content: bytes | None = None, environ: dict[str, str] | None = None, **fields: Any) -> Job:
        settings = {"MODEL_DIR": str(tmp_path), "TORCH_DEVICE": "cpu"} | (environ or {})
        services = build(Settings.read(settings), storage, clock=clock)
        options = SeparationOptions.model_validate({"engine": "demucs", "format": "wav_float"} | fields)
        job = services.jobs.submit(
            services.separations.of_file(
                options, io.BytesIO(content or encoded(SONG, subtype="FLOAT")), "song.wav", "0" * 64,
                job_id=services.new_id(),
            )
        )  # fmt: skip
        services.runner.run(job.job_id)
        return services.jobs.get(job.job_id)

    return run


def stems(storage: Storage, job: Job) -> dict[str, Any]:
    assert job.status is JobStatus.COMPLETED, job.error
    wavs = [output for output in job.outputs if output.format == "wav"]
    return {
        output.stem_type: decoded(b"".join(storage.blobs.read("audio-files", job.folder + output.name)))[0]
        for output in wavs
    }


def failure(job: Job) -> tuple[str, str]:
    assert job.status is JobStatus.FAILED and job.error is not None
    return job.error.type, job.error.detail


def test_a_model_separates_and_its_residual_is_told(run: Run, storage: Storage, tmp_path: Path) -> None:
    name = save(hybrid_transformer(), tmp_path / "demucs", "955717e8")
    job = run(residual=True)
    made = stems(storage, job)
    assert tuple(made) == ("drums", "bass", "other", "vocals", "residual")
    assert all(samples.shape == SONG.shape for samples in made.values())
    assert level_db(sum(made.values()) - SONG) < -120  # with the residual they are the song
    assert job.result is not None
    told = level_db(made["residual"]) - level_db(SONG)
    assert abs(job.result["residual_db"] - told) < 0.05
    assert job.result["weights_sha256"] == hashlib.sha256((tmp_path / "demucs" / name).read_bytes()).hexdigest()
    assert job.request["model"] == "htdemucs"


def test_it_waits_in_the_queue_of_the_gpu(run: Run, account: Account, tmp_path: Path) -> None:
    save(hybrid_transformer(), tmp_path / "demucs", "955717e8")
    job = run(stems="bass")
    assert account.receive(CPU_REQUESTS) == []
    assert len(account.receive(SEPARATION_REQUESTS)) == 1
    assert job.queue == SEPARATION_REQUESTS


def test_vocals_and_the_rest_ask_only_the_model_that_knows_vocals(run: Run, storage: Storage, tmp_path: Path) -> None:
    models = [hybrid_transformer(seed) for seed in range(4)]
    save_bag(models, tmp_path / "demucs", "four", weights=np.eye(4).tolist())
    job = run(model="four", two_stems="vocals")
    made = stems(storage, job)
    assert tuple(made) == ("vocals", "no_vocals")
    assert level_db(made["vocals"] + made["no_vocals"] - SONG) < -120
    alone = run(model="four")
    np.testing.assert_allclose(made["vocals"], stems(storage, alone)["vocals"], atol=1e-6)


def test_another_rate_and_one_channel_come_back_as_they_were(run: Run, storage: Storage, tmp_path: Path) -> None:
    save(hybrid_transformer(), tmp_path / "demucs", "955717e8")
    mono = song(1.7, 48000, 1)
    job = run(encoded(mono, 48000, subtype="FLOAT"), stems="drums")
    assert stems(storage, job)["drums"].shape == mono.shape
    assert job.result is not None and job.result["sample_rate"] == 48000


def test_weights_in_storage_are_used_once_they_are_pinned(run: Run, storage: Storage, tmp_path: Path) -> None:
    name = save(hybrid_transformer(), tmp_path / "elsewhere", "955717e8")
    content = (tmp_path / "elsewhere" / name).read_bytes()
    storage.blobs.write(
        "models", f"demucs/{name}", lambda: iter((content,)), size_bytes=len(content), content_type="", metadata={}
    )
    slug, detail = failure(run())
    assert slug == "weights-not-pinned"
    pin = f"{name}={hashlib.sha256(content).hexdigest()}"
    assert name in detail and "MODEL_CHECKSUMS" in detail
    assert failure(run(environ={"MODEL_CHECKSUMS": f"{name}={'0' * 64}"}))[0] == "checksum-mismatch"
    assert run(environ={"MODEL_CHECKSUMS": pin}).status is JobStatus.COMPLETED
    storage.blobs.remove_all("models", "demucs/")


def test_a_model_that_is_not_there_fails_the_job_with_what_to_do(run: Run, tmp_path: Path) -> None:
    slug, detail = failure(run())
    assert slug == "model-not-found"
    assert "955717e8" in detail and "MODEL_DIR" in detail
    slug, detail = failure(run(model="no-such-model"))
    assert slug == "model-not-found"
    assert "no-such-model" in detail and "htdemucs_ft" in detail


def test_a_stem_that_a_model_of_ones_own_does_not_have_fails_the_job(run: Run, tmp_path: Path) -> None:
    save_bag([hybrid_transformer()], tmp_path / "demucs", "mine")
    slug, detail = failure(run(model="mine", stems="guitar"))
    assert slug == "invalid-request"
    assert "demucs mine has no stem 'guitar'; it has drums, bass, other, vocals" in detail


def test_weights_for_research_are_refused_to_commerce(run: Run) -> None:
    with pytest.raises(LicenceRefused, match="research only"):
        run(use="commercial")
