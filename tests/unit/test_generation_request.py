"""Which generations can be asked for, of which engine, and what is made of what was left open."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from core.bootstrap import Services, build, memory_storage
from core.errors import InvalidRequest, LicenceRefused
from core.generation.request import GenerationRequest, SeedGenerationRequest
from core.generation.stems import stem_requests
from core.jobs.model import Job
from core.settings import Settings
from tests.clock import Clock
from tests.toy_engine import ToyEngines


@pytest.fixture
def services() -> Services:
    return build(Settings.read({}), memory_storage(), clock=Clock(), engines=ToyEngines())


def body(**fields: Any) -> GenerationRequest:
    return GenerationRequest.model_validate({"target_stems": ["bass"]} | fields)


def messages(**fields: Any) -> str:
    with pytest.raises(ValidationError) as raised:
        body(**fields)
    return "; ".join(f"/{'/'.join(map(str, error['loc']))}: {error['msg']}" for error in raised.value.errors())


def plan(services: Services, **fields: Any) -> Job:
    return services.generations.planner.plan(body(**fields), job_id="a")


def refused(services: Services, inputs: tuple[str, ...] = (), **fields: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        services.generations.planner.check(body(**fields), inputs)
    return {error.pointer: error.detail for error in raised.value.errors}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("guidance_scale", 0.9, 20.1), ("top_k", -1, 2049), ("top_p", -0.1, 1.1), ("steps", 9, 501),
        ("channels", 0, 3), ("loudness_lufs", -41, -4),
    ],
)  # fmt: skip
def test_numbers_have_bounds_and_errors_name_them(name: str, low: float, high: float) -> None:
    for value in (low, high):
        assert f"/parameters/{name}: Value error, must be " in messages(parameters={name: value})
    assert body(parameters={name: None}).parameters == body().parameters  # null means the default


@pytest.mark.parametrize("seed", [2**53 + 1, -(10**400)], ids=["one too many", "400 digits"])
def test_a_whole_number_beyond_its_bounds_is_shown_in_full(seed: int) -> None:
    expected = f"must be -9007199254740992 to 9007199254740992, not {seed}"
    assert expected in messages(parameters={"random_seed": seed})


def test_sample_rates_are_those_that_are_listed() -> None:
    assert body(parameters={"sample_rate": 96000}).parameters.sample_rate == 96000
    assert "must be one of 16000, 22050, 24000, 32000, 44100, 48000, 96000 Hz" in messages(
        parameters={"sample_rate": 44000}
    )


@pytest.mark.parametrize(
    "stored",
    [{}, {"upload_id": "a", "blob": "inbox/b"}, {"job_id": "a"}, {"file": "bass.wav"}, {"blob": "b", "file": "c"}],
)
def test_audio_is_named_in_one_way(stored: dict[str, str]) -> None:
    assert "/melody: " in messages(melody=stored)


def test_what_an_engine_has_no_use_for_is_refused_with_who_has(services: Services) -> None:
    parameters = {"top_k": 100, "top_p": 0.5, "guidance_scale": 3, "steps": 100, "negative_prompt": "drums"}
    found = refused(services, ("audio_prompt", "melody"), parameters=parameters)
    assert list(found) == [
        "/parameters/negative_prompt", "/parameters/guidance_scale", "/parameters/top_k", "/parameters/top_p",
        "/parameters/steps", "/audio_prompt", "/melody",
    ]  # fmt: skip
    assert found["/parameters/top_k"] == "synth does not use it; musicgen and toy do"
    assert found["/parameters/steps"] == "synth does not use it; stable_audio and toy melody do"
    assert found["/melody"] == ("synth does not use it; musicgen melody, musicgen stereo-melody and toy melody do")


def test_a_models_options_are_its_own(services: Services) -> None:
    assert list(refused(services, ("melody",), engine="toy")) == ["/melody"]
    services.generations.planner.check(body(engine="toy", model="melody"), ("melody", "audio_prompt"))
    services.generations.planner.check(body(engine="toy", model="our-own"), ("melody",))  # nobody knows what it can do


def test_what_older_clients_always_send_is_never_refused(services: Services) -> None:
    sent = {"prompt": "warm", "temperature": 0.7, "guidance_scale": None, "top_k": None, "negative_prompt": ""}
    services.generations.planner.check(body(parameters=sent))


def test_a_model_that_makes_less_is_named(services: Services) -> None:
    found = refused(services, engine="toy", model="melody", parameters={"duration_seconds": 61})
    assert found == {"/parameters/duration_seconds": "toy melody makes at most 60 seconds"}


def test_models_weights_may_forbid_a_use(services: Services) -> None:
    with pytest.raises(LicenceRefused, match="toy small are licensed as CC-BY-NC"):
        plan(services, engine="toy", use="commercial")
    with pytest.raises(InvalidRequest, match="synth has no models"):
        plan(services, model="small")


def test_a_model_may_have_the_name_of_a_repository_on_the_hub_and_nothing_beyond_it(services: Services) -> None:
    job = plan(services, engine="toy", model="me/my-model")
    assert (job.request["model"], job.engine.weights) == ("me/my-model", "me/my-model")
    for name in ("", "/my-model", "me/", "me/my/model", "../my-model", "me/..", "me\\my-model", "http://me"):
        assert "/model: " in messages(model=name)


def test_a_job_says_which_model_and_which_loudness(services: Services) -> None:
    job = plan(services, engine="toy")
    assert (job.request["model"], job.request["parameters"]["loudness_lufs"]) == ("small", -16.0)
    assert (job.engine.weights, job.queue) == ("small", "generation-requests")
    asked = plan(services, engine="toy", model="melody", parameters={"loudness_lufs": -20})
    assert (asked.request["model"], asked.request["parameters"]["loudness_lufs"]) == ("melody", -20.0)
    synth = plan(services)
    assert (synth.request["model"], synth.request["parameters"]["loudness_lufs"]) == (None, None)  # a peak of 0.8


def test_every_parameter_reaches_the_engine(services: Services) -> None:
    parameters = {
        "target_bpm": 90, "duration_seconds": 5, "style": "jazz", "chord_progression": ["Dm7"], "prompt": "dusty",
        "temperature": 0.5, "random_seed": -3, "negative_prompt": "hiss", "guidance_scale": 4.5, "top_k": 40,
        "top_p": 0.9, "steps": 77,
    }  # fmt: skip
    (stem,) = stem_requests(plan(services, engine="toy", model="melody", parameters=parameters))
    assert (stem.tempo_bpm, stem.duration_seconds, stem.style, stem.chords) == (90, 5, "jazz", ("Dm7",))
    assert (stem.temperature, stem.seed, stem.negative_description) == (0.5, 2**63 - 3, "hiss")
    assert (stem.guidance_scale, stem.top_k, stem.top_p, stem.steps) == (4.5, 40, 0.9, 77)
    assert "dusty" in stem.description and "jazz style" in stem.description


def progression(services: Services, *entries: str, **fields: Any) -> list[str]:
    job = plan(services, parameters={"chord_progression": entries} | fields)
    (stem,) = stem_requests(job)
    assert list(stem.chords) == job.request["parameters"]["chord_progression"]
    return list(stem.chords)


def test_numbers_and_numerals_are_symbols_by_the_time_there_is_a_job(services: Services) -> None:
    assert progression(services, "ii7", "5", "bVII", "V/V", "C6/9", key="Bb") == ["Cm7", "F", "Ab", "C", "C6/9"]
    assert progression(services, "i", "VI", "V7#9", key="f# minor") == ["F#m", "D", "C#7#9"]


def test_symbols_reach_the_engine_as_they_were_written(services: Services) -> None:
    written = ["F♯m7♭5", "B♭/D", "Cm(maj7)", "C6/9", "Asus"]
    assert progression(services, *written) == progression(services, *written, key="Eb") == written


def test_chords_that_need_a_key_are_pointed_at_when_there_is_none(services: Services) -> None:
    found = refused(services, engine="toy", parameters={"chord_progression": ["C", "V", "Am", "b7"], "top_k": 5})
    assert found == {
        "/parameters/chord_progression/1": "'V': numbers and numerals need a key: send one, such as C or F#m",
        "/parameters/chord_progression/3": "'b7': numbers and numerals need a key: send one, such as C or F#m",
    }


@pytest.mark.parametrize("key", [None, "Eb"])
def test_what_is_no_chord_is_pointed_at_together_with_all_else_that_does_not_fit(key: str | None) -> None:
    found = messages(parameters={"chord_progression": ["C", "H7", "9", "V/9"], "key": key, "target_bpm": 500})
    for index, entry in enumerate(["H7", "9", "V/9"], 1):
        assert f"/parameters/chord_progression/{index}: Value error, '{entry}' is not a chord: expected" in found
    assert "/parameters/target_bpm: " in found
    assert "/parameters/key: Value error, 'H' is no key" in messages(parameters={"key": "H"})
    assert "must be a list of chords" in messages(parameters={"chord_progression": 7})


def test_a_request_without_a_key_is_stored_and_told_apart_as_it_was_before_there_were_keys(services: Services) -> None:
    assert "key" not in plan(services).request["parameters"]
    assert "key" not in body(parameters={"key": None}).model_dump(mode="json")["parameters"]
    assert plan(services, parameters={"key": "A"}).request["parameters"]["key"] == "A"


def test_the_first_services_route_takes_symbols_alone() -> None:
    sent = {"generation_request_id": "g", "audio_file_id": "a", "target_stems": ["bass"]}
    with pytest.raises(ValidationError, match="'V' is not a chord: expected a root"):
        SeedGenerationRequest.model_validate(sent | {"parameters": {"chord_progression": ["V"], "key": "C"}})
    modern = SeedGenerationRequest.model_validate(sent | {"parameters": {"chord_progression": ["C7sus4"], "key": "H"}})
    assert modern.modern().parameters.symbols() == ("C7sus4",)


def test_every_stem_and_every_second_of_it_counts_in_the_estimate(services: Services) -> None:
    estimates = [
        plan(services, engine="toy", target_stems=stems, parameters={"duration_seconds": seconds}).estimated_seconds
        for stems, seconds in [(["bass"], 10), (["bass", "drums"], 10), (["bass", "drums"], 30)]
    ]
    assert estimates == [0.5 + 1, 0.5 + 2, 0.5 + 6]  # at a tenth of a second for each


def test_the_first_services_route_knows_its_own_fields_alone() -> None:
    sent = {
        "generation_request_id": "g",
        "audio_file_id": "a",
        "target_stems": ["bass"],
        "parameters": {"prompt": "warm", "top_k": 5, "sample_rate": 8},
    }
    modern = SeedGenerationRequest.model_validate(sent).modern()
    assert modern.parameters.prompt == "warm"
    assert modern.parameters.model_copy(update={"prompt": ""}) == body().parameters


def test_a_job_that_was_queued_before_there_were_these_fields_still_runs(services: Services) -> None:
    job = plan(services, parameters={"random_seed": 1})
    seven = {key: job.request["parameters"][key] for key in list(job.request["parameters"])[:7]}
    old = {"target_stems": ["bass"], "engine": "synth", "parameters": seven}
    services.runner.run(services.jobs.submit(job.evolve(request=old)).job_id)
    (output,) = services.jobs.get("a").outputs
    assert (output.sample_rate, output.channels) == (44100, 2)
