"""What to change and by how much: the amounts are right, and following them leads there."""

from __future__ import annotations

from typing import Any

import pytest

from core.audio.levels import CEILING_DBTP
from core.engines.catalogue import CATALOGUE
from core.errors import AudioTooShort, DeadlineExceeded
from core.generation.planner import LOUDNESS_LUFS
from core.jobs.model import Job, JobError, JobKind
from core.jobs.view import job_view
from core.questions.fact import Topic
from core.questions.facts import outputs
from core.questions.facts.every import facts_of
from core.questions.facts.generation import WITHOUT_TEMPERATURE
from tests.in_process import call
from tests.songs import encoded, song
from tests.unit.question_examples import bridge, example, services


def advice(job: Job) -> list[str]:
    return [fact.text for fact in facts_of(job.kind, job_view(job)) if Topic.ADVICE in fact.topics]


def with_output(job: Job, **levels: float) -> Job:
    return job.evolve(outputs=(job.outputs[0].evolve(**levels),))


def failed(job: Job, error: Any, **changes: Any) -> Job:
    return job.evolve(**changes).failed(JobError.of(error), job.updated_at)


def processed(level: float, effects: list[dict[str, Any]]) -> Job:
    """A song at some level, with effects on it."""
    body = {
        "files": [
            ("effects", (None, str(effects).replace("'", '"'))),
            ("file", ("a.wav", encoded(song(4, level=level)))),
        ]
    }
    answer = call(services(), "POST", "/v1/effects", **body)
    assert answer.status_code == 202, answer.text
    services().runner.run(answer.json()["job_id"])
    return services().jobs.get(answer.json()["job_id"])


def test_the_targets_are_those_that_files_are_made_to() -> None:
    assert outputs.TARGET_LUFS == LOUDNESS_LUFS
    assert outputs.CEILING_DBTP == CEILING_DBTP


def test_a_quiet_file_is_to_be_raised_to_the_target() -> None:
    [text] = [text for text in advice(bridge()) if text.startswith("bridge-0.5.wav")]
    assert "is at -23.4 LUFS: raise it by 7.4 dB to come to -16 LUFS" in text
    assert "leaves room for 5.1 dB" in text


def test_who_follows_the_advice_for_a_quiet_file_comes_to_the_target() -> None:
    quiet = processed(0.005, [{"type": "highpass", "frequency_hz": 20}])
    [output] = quiet.outputs
    assert output.loudness_lufs is not None
    gain = round(-16 - output.loudness_lufs, 2)
    assert any(f"raise it by {gain:g} dB" in text and f"makeup_db {gain:g} " in text for text in advice(quiet))
    body = {
        "job_id": quiet.job_id, "file": output.name,
        "effects": [{"type": "compressor", "ratio": 1, "makeup_db": gain}, {"type": "limiter", "ceiling_db": -1}],
    }  # fmt: skip
    job_id = call(services(), "POST", "/v1/effects", json=body).json()["job_id"]
    services().runner.run(job_id)
    [raised] = services().jobs.get(job_id).outputs
    assert raised.loudness_lufs == pytest.approx(-16, abs=0.5)


def test_a_loud_file_is_to_be_turned_down() -> None:
    texts = advice(with_output(bridge(), loudness_lufs=-9.3, true_peak_dbtp=-1.5))
    assert "bridge-0.25.wav is at -9.3 LUFS: turn it down by 6.7 dB to come to -16 LUFS (AES TD1008)." in texts


def test_a_true_peak_above_the_ceiling_is_to_be_brought_below_it() -> None:
    texts = advice(with_output(bridge(), loudness_lufs=-16.0, true_peak_dbtp=0.8))
    assert any(text.startswith("bridge-0.25.wav has a true peak of 0.8 dBTP: turn it down by 1.8 dB") for text in texts)


def test_a_stem_that_has_its_level_from_the_others_is_raised_by_itself_if_at_all() -> None:
    texts = [text for text in advice(example(JobKind.SEPARATION)) if "LUFS:" in text]
    assert texts
    assert all("raise it" in text and "by itself" in text for text in texts)


def test_a_file_that_is_as_it_should_be_has_no_advice() -> None:
    job = with_output(bridge(), loudness_lufs=-16.2, true_peak_dbtp=-1.0)
    assert not [text for text in advice(job) if text.startswith("bridge-")]


@pytest.mark.parametrize(
    ("ratios", "nearer_1", "nearer_2"),
    [([0.5], "0.25", "0.75"), ([0.25, 0.8], "0.125", "0.9"), ([0.1], "0.05", "0.55")],
)
def test_a_bridge_comes_nearer_to_either_track_by_half_of_the_way(
    ratios: list[float], nearer_1: str, nearer_2: str
) -> None:
    job = bridge()
    texts = advice(job.evolve(request=job.request | {"ratios": ratios}))
    assert f"To come nearer to track 2, ask for a ratio of {nearer_2} in place of {max(ratios):g}." in texts
    assert f"To stay nearer to track 1, ask for a ratio of {nearer_1} in place of {min(ratios):g}." in texts


def test_a_bridge_that_is_a_track_itself_comes_no_nearer_to_it() -> None:
    job = bridge()
    texts = advice(job.evolve(request=job.request | {"ratios": [0.0, 1.0]}))
    assert not [text for text in texts if "nearer to track" in text]


def test_tempos_that_are_far_apart_are_told_and_those_that_are_near_are_not() -> None:
    assert any("96 and 120 beats a minute differ by 25 %" in text for text in advice(bridge()))
    tracks = {
        name: track | {"tempo_bpm": bpm} for (name, track), bpm in zip(_tracks().items(), (118, 120), strict=True)
    }
    assert not any("differ by" in text for text in advice(bridge(tracks=tracks)))


@pytest.mark.parametrize(
    ("one", "other", "shared", "advised"),
    [
        ("A minor", "C major", 7, False),
        ("C major", "G major", 6, False),
        ("C major", "D major", 5, True),
        ("C major", "F# major", 2, True),
        ("C major", "C minor", 4, True),
    ],
)
def test_keys_are_told_by_the_notes_they_share_and_advised_on_where_these_are_few(
    one: str, other: str, shared: int, advised: bool
) -> None:
    tracks = {name: track | {"key": key} for (name, track), key in zip(_tracks().items(), (one, other), strict=True)}
    job = bridge(tracks=tracks)
    sentence = f"Track 1 is in {one}, track 2 in {other}: {shared} of 7 notes are the same"
    [fact] = [fact for fact in facts_of(job.kind, job_view(job)) if fact.text.startswith(sentence)]
    assert (Topic.ADVICE in fact.topics) is advised


def _tracks() -> dict[str, Any]:
    found: dict[str, Any] = (bridge().result or {})["tracks"]
    return found


def test_a_track_that_is_over_too_early_has_room_for_so_much() -> None:
    job = bridge()
    job = job.evolve(request=job.request | {"start_seconds": 4.0, "end_seconds": 20.0})
    detail = "track2: it is over at 9.50 s, and its part would go from 1 to 17 s"
    texts = advice(failed(job, AudioTooShort(detail), outputs=(), result=None))
    assert any("track 2 has 8.5 s: ask for an end_seconds of at most 12.5" in text for text in texts)


def test_who_took_too_long_is_told_how_much_fits() -> None:
    job = example(JobKind.GENERATION)
    job = failed(job, DeadlineExceeded("too long"), progress=0.6, outputs=(), result=None)
    assert any("of the 4 s, about 2 s fit into one job" in text for text in advice(job))


def test_of_a_bridge_the_part_between_its_ends_is_what_must_fit() -> None:
    job = bridge()
    job = job.evolve(request=job.request | {"start_seconds": 10.0, "end_seconds": 40.0})
    job = failed(job, DeadlineExceeded("too long"), progress=0.5, outputs=(), result=None)
    assert any("of the 30 s, about 15 s fit into one job" in text for text in advice(job))


def test_a_tempo_or_a_key_that_is_unsure_is_told_to_be() -> None:
    job = example(JobKind.ANALYSIS)
    sure = advice(job)
    unsure = advice(job.evolve(result=(job.result or {}) | {"tempo_confidence": 0.2, "key_confidence": 0.1}))
    assert not [text for text in sure if "unsure" in text]
    assert len([text for text in unsure if "unsure" in text]) == 2


def test_half_and_twice_the_tempo_are_named() -> None:
    job = example(JobKind.ANALYSIS)
    texts = advice(job.evolve(result=(job.result or {}) | {"tempo_bpm": 90.0}))
    assert any("45 and 180 fit as well" in text for text in texts)


def test_of_what_clipped_it_is_told_by_how_much_to_turn_the_effects_down() -> None:
    job = processed(0.9, [{"type": "compressor", "ratio": 1, "makeup_db": 12}])
    result = job.result or {}
    assert result["exceeds_full_scale"]
    assert any(
        f"take {round(result['peak_dbfs'], 2):g} dB away where the effects add it" in text for text in advice(job)
    )


def test_amounts_stay_within_what_a_request_may_say() -> None:
    job = example(JobKind.GENERATION)
    for temperature in (0.0, 0.1, 1.9, 2.0):
        parameters = job.request["parameters"] | {"temperature": temperature, "guidance_scale": 19.5}
        texts = advice(job.evolve(request=job.request | {"parameters": parameters}))
        told = [float(text.rsplit(" ", 1)[1].rstrip(".")) for text in texts if "the temperature from" in text]
        assert all(0 <= value <= 2 for value in told)
        assert len(told) == (1 if temperature in (0.0, 2.0) else 2)
        assert "raise parameters.guidance_scale from 19.5 to 20." in " ".join(texts)


@pytest.mark.parametrize(("engine", "told"), [("synth", True), ("musicgen", True), ("stable_audio", False)])
def test_the_temperature_is_advised_on_where_it_changes_anything(engine: str, told: bool) -> None:
    job = example(JobKind.GENERATION)
    texts = advice(job.evolve(engine=job.engine.evolve(name=engine)))
    assert any("temperature" in text for text in texts) is told


def test_the_engines_without_a_temperature_are_those_of_which_no_model_takes_one() -> None:
    generating = [info for info in CATALOGUE if "generation" in info.tasks and info.takes_own_weights]
    unmoved = {info.name for info in generating if not any("temperature" in model.options for model in info.models)}
    assert unmoved == WITHOUT_TEMPERATURE
