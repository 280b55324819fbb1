"""Sounds by MusicGen, as jobs: real model classes, small, with random weights, through the real loader."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import soundfile

from core.bootstrap import Services, Storage, build
from core.errors import LicenceRefused
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import Job, JobStatus
from core.settings import Settings
from core.soundbank.request import SoundBatchRequest, SoundRequest
from tests.clock import Clock
from tests.musicgen_models import transformers_folder

NOTE = {
    "instrument": "electric_guitar", "string": 3, "fret": 5, "duration_seconds": 0.5, "engine": "musicgen",
    "style_prompt": "crunchy rock tone",
}  # fmt: skip


@pytest.fixture
def services(storage: Storage, clock: Clock, tmp_path: Path) -> Services:
    (tmp_path / "musicgen").mkdir()
    (tmp_path / "musicgen" / "small").symlink_to(transformers_folder())
    settings = {"MODEL_DIR": str(tmp_path), "TORCH_DEVICE": "cpu", "TORCH_PRECISION": "float32"}
    return build(Settings.read(settings), storage, clock=clock)


def ask(services: Services) -> Job:
    request = SoundRequest.model_validate(NOTE)
    return services.jobs.submit(services.sounds.of_one(request, job_id=services.new_id()))


def run(services: Services, job: Job) -> Job:
    services.runner.run(job.job_id)
    done = services.jobs.get(job.job_id)
    assert done.status is JobStatus.COMPLETED, done.error
    return done


def test_a_model_plays_a_note_and_its_pitch_is_shown_as_it_is(services: Services) -> None:
    job = ask(services)
    assert job.queue == GENERATION_REQUESTS
    [sample] = services.sounds.made_by(run(services, job))
    assert sample is not None
    assert sample.made_by.weights_sha256 is not None
    assert (sample.made_by.engine, sample.made_by.weights_licence) == ("musicgen", "CC-BY-NC-4.0")
    assert 1 <= sample.tries <= 3
    assert (sample.pitch.note, sample.pitch.frequency_hz) == ("C4", pytest.approx(261.626, abs=0.001))
    samples, rate = soundfile.read(io.BytesIO(b"".join(services.sounds.read(sample))))
    assert (samples.shape, rate) == ((22050, 2), 44100)


def test_the_weights_that_played_it_are_part_of_what_it_is_found_by(services: Services) -> None:
    run(services, ask(services))
    again = ask(services)
    assert again.status is JobStatus.COMPLETED
    assert again.result is not None and again.result["cached"] is True


def test_a_batch_is_sampled_together(services: Services) -> None:
    region = {"strings": [1], "fret_min": 0, "fret_max": 2}
    fields = {key: value for key, value in NOTE.items() if key not in ("string", "fret")}
    request = SoundBatchRequest.model_validate(fields | {"region": region})
    job = services.jobs.submit(services.sounds.of_many(request, job_id=services.new_id()))
    assert run(services, job).result == {"total": 3, "made": 3, "found": 0}


def test_weights_that_are_for_research_are_refused_to_trade(services: Services) -> None:
    with pytest.raises(LicenceRefused):
        services.sounds.of_one(SoundRequest.model_validate(NOTE | {"use": "commercial"}), job_id="x")
