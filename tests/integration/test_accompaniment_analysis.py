"""An accompaniment with nothing known beforehand: the beats and chords are those that analysis hears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from core.accompaniment.worker import AccompanimentWorker
from core.bootstrap import Services, build, memory_storage
from core.engines.registry import EngineRegistry
from core.jobs.model import Job, JobKind, JobStatus
from core.ports import Timeline
from core.settings import Settings
from tests.music import guitar
from tests.songs import Samples, encoded
from tests.unit.synth_measures import mono, nearest_distances, rendered
from tests.unit.test_accompaniment_http import send, sounds_of, work
from tests.unit.test_synth_timeline import drifting, following, onsets

SECONDS = 180.0
SYMBOLS = ("C", "G", "Am", "F", "Dm", "E")
WITHIN_SECONDS = 0.02
"""From where on one hears that two do not play together."""


@pytest.fixture
def services() -> Services:
    settings, storage = Settings.read({}), memory_storage()
    engines = EngineRegistry(settings, storage.blobs)
    worker = AccompanimentWorker(engines, storage.blobs)
    return build(settings, storage, engines=engines, workers={JobKind.ACCOMPANIMENT: worker})


def accompanied(services: Services, samples: Samples) -> Job:
    answer = send(services, encoded(samples), style="rock", temperature="0", random_seed="1")
    job = work(services, answer)
    assert job.status is JobStatus.COMPLETED, job.error
    return job


def together(services: Services, job: Job, beats: Sequence[float]) -> float:
    """The share of the beats that the drums meet."""
    heard = onsets(mono(sounds_of(services, job)["drums.wav"]))
    distances = nearest_distances(heard, [beat for beat in beats if beat > 0.1])
    return float(np.mean(np.array(distances) < WITHIN_SECONDS))


def test_drums_stay_with_a_band_whose_tempo_drifts_and_chords_are_its_own(services: Services) -> None:
    beats = drifting(SECONDS)
    chords = tuple((4.0 * bar, SYMBOLS[bar % 6]) for bar in range(len(beats) // 4))
    timeline = Timeline(beats, 1, 4, chords)
    parts = [rendered(following(timeline, stem, SECONDS, "rock")) for stem in ("drums", "guitar")]
    job = accompanied(services, (sum(parts) / 2).astype(np.float32))
    assert together(services, job, [beat for beat in beats if beat < SECONDS - 0.5]) == 1
    assert job.result is not None
    assert job.result["chords"]["first"][:12] == [*SYMBOLS, *SYMBOLS]
    assert job.result["chords"]["count"] == len(chords)


def test_drums_stay_with_a_guitar_alone(services: Services) -> None:
    music = guitar(bars=16)
    job = accompanied(services, music.samples)
    assert together(services, job, music.beats) > 0.9
    assert job.result is not None
    assert job.result["chords"]["first"][:8] == ["C", "G", "Am", "F"] * 2
    assert job.result["beats_per_bar"] == 4


def test_noise_is_no_music(services: Services) -> None:
    noise = np.random.default_rng(1).standard_normal((2, 441_000)).astype(np.float32) * 0.1
    job = work(services, send(services, encoded(noise)))
    assert job.error is not None
    assert "no steady beat was heard in its 10.0 seconds" in job.error.detail
