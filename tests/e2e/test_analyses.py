"""A song comes in; what is heard in it, and music to go with it, come out."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.e2e.api import Api
from tests.music import SAMPLE_RATE, band, harte

TEMPO_BPM = 100
CHORDS = ("C", "G", "Am", "F")
SONG = band(CHORDS, TEMPO_BPM, seconds=20)


def wav() -> bytes:
    content = io.BytesIO()
    soundfile.write(content, SONG.samples.T, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return content.getvalue()


def ended(api: Api, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    job = api.wait_for_end(answer.json()["job_id"])
    assert job["status"] == "completed", job["error"]
    return job


def files_of(api: Api, job: dict[str, Any]) -> dict[str, bytes]:
    """Every file by its name, over its link, as the job says it is."""
    files = {}
    for output in job["outputs"]:
        answer = api.http.get(output["url"], follow_redirects=True)
        assert answer.status_code == 200
        assert hashlib.sha256(answer.content).hexdigest() == output["sha256"]
        files[output["name"]] = answer.content
    return files


@pytest.fixture(scope="module")
def song() -> bytes:
    return wav()


def test_what_is_heard_in_a_song_is_what_was_played(api: Api, song: bytes) -> None:
    job = ended(api, api.http.post("/v1/analyses", files={"file": ("song.wav", song)}))
    files = files_of(api, job)
    assert {"analysis.json", "analysis.jams", "chart.mid"} < set(files)
    analysis = json.loads(files["analysis.json"])
    assert analysis["tempo"]["bpm"] == pytest.approx(TEMPO_BPM, rel=0.01)
    assert (analysis["key"]["tonic"], analysis["key"]["mode"]) in {("C", "major"), ("A", "minor")}
    assert agreement(analysis["chords"]) > 0.85
    beats = np.array([beat["time_seconds"] for beat in analysis["beats"]])
    missed = [time for time in SONG.beats[1:-1] if np.abs(beats - time).min() > 0.07]
    assert len(missed) <= len(SONG.beats) / 10
    assert {annotation["namespace"] for annotation in json.loads(files["analysis.jams"])["annotations"]} > {"beat"}
    assert files["chart.mid"].startswith(b"MThd")
    (click,) = (content for name, content in files.items() if name.endswith(".flac"))
    samples, rate = soundfile.read(io.BytesIO(click))
    assert len(samples) / rate == pytest.approx(SONG.seconds, abs=0.01)


def test_an_upload_is_accompanied_in_time_with_it(api: Api, song: bytes) -> None:
    upload = api.http.post("/v1/uploads", json={"filename": "song.wav", "size_bytes": len(song)}).json()
    httpx.put(upload["url"], content=song, headers={"x-ms-blob-type": "BlockBlob"}).raise_for_status()
    api.http.post(f"/v1/uploads/{upload['upload_id']}/complete", json={}).raise_for_status()
    body = {"upload_id": upload["upload_id"], "target_stems": ["drums", "bass"], "random_seed": 1}
    job = ended(api, api.http.post("/v1/accompaniments", json=body))
    files = files_of(api, job)
    stems = {name.removesuffix(".wav"): content for name, content in files.items() if name.endswith(".wav")}
    assert {"drums", "bass"} < set(stems)  # and everything together
    for content in stems.values():
        samples, rate = soundfile.read(io.BytesIO(content))
        assert len(samples) / rate == pytest.approx(SONG.seconds, abs=0.01)
        assert np.abs(samples).max() > 0.01


def agreement(spans: list[dict[str, Any]]) -> float:
    """How much of the song was given the chord that was played."""
    right = 0.0
    for start, end, symbol in SONG.chords:
        for span in spans:
            if span["label"] == harte(symbol):
                right += max(0.0, min(end, span["end_seconds"]) - max(start, span["start_seconds"]))
    return right / SONG.seconds
