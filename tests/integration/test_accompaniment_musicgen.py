"""MusicGen plays along: real model classes, small, with random weights, through the real loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.bootstrap import Services, build, memory_storage
from core.jobs.messages import GENERATION_REQUESTS
from core.jobs.model import JobStatus
from core.settings import Settings
from tests.music import guitar
from tests.musicgen_models import Kind, transformers_folder
from tests.songs import encoded
from tests.unit.test_accompaniment_http import CHORDS, ask, send, sounds_of, work

KINDS: tuple[Kind, ...] = ("melody", "small")
MELODIOUS = {"engine": "musicgen", "target_stems": "piano", "random_seed": "3"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    (tmp_path / "musicgen").mkdir()
    for kind in KINDS:
        (tmp_path / "musicgen" / kind).symlink_to(transformers_folder(kind))
    settings = {"MODEL_DIR": str(tmp_path), "TORCH_DEVICE": "cpu", "TORCH_PRECISION": "float32"}
    return build(Settings.read(settings), memory_storage())


def test_the_melody_model_follows_a_guitar_and_is_mixed_with_it(services: Services) -> None:
    music = guitar(bars=2)
    job = work(services, send(services, encoded(music.samples), **MELODIOUS))
    assert job.status is JobStatus.COMPLETED, job.error
    assert (job.queue, job.request["model"]) == (GENERATION_REQUESTS, "melody")
    sounds = sounds_of(services, job)
    assert {name: sound.shape for name, sound in sounds.items()} == {
        "piano.wav": music.samples.shape, "mix.wav": music.samples.shape,
    }  # fmt: skip
    assert sounds["piano.wav"].any()
    assert job.result is not None
    assert (job.result["keeps_time"], job.result["tempo_bpm"]) == (False, pytest.approx(100, rel=0.03))


def test_the_same_seed_plays_the_same_to_the_same_guitar(services: Services) -> None:
    content = encoded(guitar(bars=2).samples)
    first, second = (work(services, send(services, content, **MELODIOUS)) for _ in range(2))
    assert [output.sha256 for output in first.outputs] == [output.sha256 for output in second.outputs]


def test_from_chords_its_default_model_plays_what_it_is_told_in_words(services: Services) -> None:
    job = ask(services, **CHORDS, engine="musicgen", target_stems=["bass"], bars=2)
    assert job.status is JobStatus.COMPLETED, job.error
    assert job.request["model"] == "small"
    assert sounds_of(services, job)["bass.wav"].shape[1] == 4 * 44100
