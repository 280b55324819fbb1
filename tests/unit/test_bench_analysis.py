"""What the benchmark of analyses runs is a whole job, and it runs."""

from __future__ import annotations

import pytest

from bench import analysis
from bench.looped_blobs import LoopedBlobs
from core.jobs.model import AUDIO_FILES


def test_a_whole_job_writes_a_click_track_into_the_storage_of_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[LoopedBlobs] = []

    def storage(duration_seconds: float) -> LoopedBlobs:
        made.append(LoopedBlobs(duration_seconds))
        return made[-1]

    monkeypatch.setattr(analysis, "LoopedBlobs", storage)
    analysis.whole_job(2.0)
    (blobs,) = made
    job = analysis.job_for(blobs, 2.0)
    assert b"".join(blobs.read(AUDIO_FILES, job.folder + "click.flac")).startswith(b"fLaC")
