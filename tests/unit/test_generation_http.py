"""``POST /v1/generations`` with an engine that uses all there is, in one process."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from core.bootstrap import Services, build, memory_storage
from core.settings import Settings
from tests.in_process import call
from tests.songs import encoded, song
from tests.toy_engine import ToyEngines

WAV = encoded(song(1.0))
BODY = {"target_stems": ["bass"], "engine": "toy", "model": "melody"}


@pytest.fixture
def services() -> Services:
    return build(Settings.read({"LONGEST_SOURCE_SECONDS": "10"}), memory_storage(), engines=ToyEngines())


def form(services: Services, *files: tuple[str, Any], headers: dict[str, str] | None = None) -> httpx.Response:
    fields = [(name, (None, value)) for name, value in (BODY | {"target_stems": "bass", "top_k": "40"}).items()]
    return call(services, "POST", "/v1/generations", files=[*fields, *files], headers=headers)


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


def test_a_form_brings_a_melody_and_an_audio_prompt(services: Services) -> None:
    answer = form(services, ("melody", ("a.wav", WAV)), ("audio_prompt", ("b.wav", WAV)))
    assert answer.status_code == 202, answer.text
    request = answer.json()["request"]
    assert request["parameters"]["top_k"] == 40
    assert {request[name]["source"]["filename"] for name in ("melody", "audio_prompt")} == {"a.wav", "b.wav"}
    assert request["melody"]["audio"] == {
        "container": "wav", "codec": "pcm_s16le", "sample_rate": 44100, "channels": 2, "duration_seconds": 1.0,
    }  # fmt: skip


def test_a_form_has_chords_in_a_key_as_well(services: Services) -> None:
    chords = [("chord_progression", (None, "ii7 V7 Imaj7")), ("key", (None, "Bb"))]
    parameters = form(services, *chords).json()["request"]["parameters"]
    assert (parameters["chord_progression"], parameters["key"]) == (["Cm7", "F7", "Bbmaj7"], "Bb")
    assert list(errors(form(services, *chords[:1]))) == [f"/parameters/chord_progression/{index}" for index in range(3)]


def test_a_file_that_cannot_be_used_is_refused_before_there_is_a_job(services: Services) -> None:
    assert "as text" in errors(form(services, ("melody", (None, "song.wav"))))["/melody"]
    assert "more than once" in errors(form(services, ("melody", ("a.wav", WAV)), ("melody", ("b.wav", WAV))))["/melody"]
    assert form(services, ("melody", ("a.wav", b"words"))).json()["type"].endswith(":not-audio")
    long = form(services, ("melody", ("a.wav", encoded(song(11.0, 8000, 1), 8000))))
    assert long.json()["type"].endswith(":audio-too-long")
    assert errors(form(services, ("song", ("a.wav", WAV)))) == {"/song": "is not a field of this request"}
    assert services.jobs.page(None, None, 10, None).jobs == []


@pytest.mark.parametrize("content", [b'{"n": ' + b"1" * 5000 + b"}", b'"\xff"', b"{" * 9, b"[" * 100_000])
def test_a_body_that_no_parser_takes_is_called_malformed(services: Services, content: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = call(services, "POST", "/v1/generations", content=content, headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:stemworks:problem:malformed-json")


def test_of_two_files_of_one_name_the_one_that_cannot_be_used_is_named(services: Services) -> None:
    answer = form(services, ("audio_prompt", ("a.wav", WAV)), ("melody", ("a.wav", b"words")))
    assert answer.json()["detail"].startswith("melody: a.wav: ")


def test_a_file_that_nobody_chose_in_a_browser_was_not_sent(services: Services) -> None:
    def part(name: str, filename: str, content: str) -> str:
        return f'--edge\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n{content}\r\n'

    fields = "".join(part(name, "", value) for name, value in (BODY | {"target_stems": "bass"}).items())
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    body = fields + part("melody", '; filename=""', "") + "--edge--\r\n"
    answer = call(services, "POST", "/v1/generations", content=body.encode(), headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.json()["request"]["melody"] is None
    missing = part("file", '; filename=""', "") + "--edge--\r\n"
    answer = call(services, "POST", "/v1/separations", content=missing.encode(), headers=headers)
    assert list(errors(answer)) == ["/file"]


def test_an_idempotency_key_stands_for_the_files_as_well(services: Services) -> None:
    key = {"Idempotency-Key": "k"}
    first = form(services, ("melody", ("a.wav", WAV)), headers=key)
    assert form(services, ("melody", ("a.wav", WAV)), headers=key).json() == first.json()
    other = form(services, ("melody", ("a.wav", encoded(song(2.0)))), headers=key)
    assert other.json()["type"].endswith(":idempotency-mismatch")


def test_errors_point_into_the_sources(services: Services) -> None:
    def post(**fields: Any) -> httpx.Response:
        return call(services, "POST", "/v1/generations", json=BODY | fields)

    assert list(errors(post(melody={"blob": "secrets/a.wav"}))) == ["/melody/blob"]
    assert list(errors(post(audio_prompt={"blob": "inbox/../a.wav"}))) == ["/audio_prompt/blob"]
    assert list(errors(post(melody={"upload_id": "a", "url": "b"}))) == ["/melody/url"]
    assert post(melody={"job_id": "nobody", "file": "a.wav"}).json()["type"].endswith(":job-not-found")
    assert post(melody={"upload_id": "nobody"}).json()["type"].endswith(":upload-not-found")


def test_the_document_describes_both_bodies_in_full(services: Services) -> None:
    document = call(services, "GET", "/openapi.json").json()
    content = document["paths"]["/v1/generations"]["post"]["requestBody"]["content"]
    assert "$ref" not in json.dumps(content)
    parameters = content["application/json"]["schema"]["properties"]["parameters"]["properties"]
    flat = content["multipart/form-data"]["schema"]["properties"]
    assert set(parameters) < set(flat)
    assert flat["melody"]["format"] == "binary"
    assert parameters["sample_rate"]["enum"] == [16000, 22050, 24000, 32000, 44100, 48000, 96000]
    assert "previews" in document["components"]["schemas"]["JobView"]["properties"]


def test_a_process_that_only_answers_http_loads_no_numbers() -> None:
    program = """
import sys
from core.bootstrap import build, memory_storage
from core.generation.request import GenerationRequest
from core.settings import Settings
from functions.http.app import create_app
services = build(Settings.read({}), memory_storage())
create_app(lambda: services).openapi()
services.jobs.submit(services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id="a"))
print([name for name in ("numpy", "av", "soxr", "torch") if name in sys.modules])
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
