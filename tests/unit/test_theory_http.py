"""``/v1/theory`` and ``/instructions`` in one process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from core.bootstrap import Services, build, memory_storage
from core.settings import Settings
from functions.http import theory
from functions.http.app import create_app
from functions.http.seeds import instructions


@pytest.fixture(scope="module")
def services() -> Services:
    return build(Settings.read({}), memory_storage())


@pytest.fixture(scope="module")
def app(services: Services) -> FastAPI:
    made = create_app(lambda: services)
    known = made.openapi()["paths"]
    for module in (theory, instructions):
        if not any(route.path in known for route in module.router.routes if isinstance(route, APIRoute)):
            made.include_router(module.router)
    return made


def call(app: FastAPI, method: str, path: str, **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def suggested(app: FastAPI, **body: Any) -> dict[str, Any]:
    answer = call(app, "POST", "/v1/theory/suggest", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


# What could come next


def test_chords_are_answered_with_what_could_come_next(app: FastAPI) -> None:
    found = suggested(app, chords=["Dm7", "G7"], style="jazz")
    assert found["key"]["name"] == "C major"
    assert [chord["roman"] for chord in found["chords"]] == ["ii7", "V7"]
    best = found["suggestions"][0]
    assert (best["chord"], best["function"]) == ("C", "tonic")
    assert len(found["suggestions"]) == 8
    total = sum(each["probability"] for each in found["suggestions"]) + found["rest_probability"]
    assert total == pytest.approx(1, abs=1e-3)


def test_numerals_and_numbers_are_answered_in_symbols(app: FastAPI) -> None:
    found = suggested(app, chords="ii7 5/7 B♭", key="A♭")
    assert [chord["chord"] for chord in found["chords"]] == ["Bbm7", "Eb/G", "Bb"]
    assert found["key"] == {"name": "Ab major", "tonic": "Ab", "mode": "major", "confidence": 1.0}
    assert [chord["function"] for chord in found["chords"]] == ["predominant", "dominant", "secondary dominant"]


def test_a_guitarist_is_told_where_to_put_the_capo(app: FastAPI) -> None:
    capo = suggested(app, chords=["Bb", "Eb", "F", "Gm"])["capo"]
    assert capo == {"fret": 3, "shapes": ["G", "C", "D", "Em"], "open_chords": 4}


def test_a_mood_draws_progressions_and_the_seed_decides_which(app: FastAPI) -> None:
    one, same, other = (suggested(app, mood="sad", bars=8, random_seed=seed)["progressions"] for seed in (1, 1, 900))
    assert one == same != other
    assert all(len(each["chords"]) == len(each["roman"]) == 8 for each in one)
    assert all(each["roman"][0].startswith("i") for each in one)


def test_a_mood_in_a_key_of_the_other_mode_promises_no_moves_that_are_not_there(app: FastAPI) -> None:
    dark = suggested(app, mood="dark", key="C")
    assert (dark["mood"], dark["mood_moves"], len(dark["progressions"])) == ("dark", None, 3)
    assert "half step" in suggested(app, mood="dark", key="C minor")["mood_moves"]


def test_nothing_at_all_is_answered_with_first_chords(app: FastAPI) -> None:
    assert suggested(app)["suggestions"][0]["chord"] == "C"


def test_five_hundred_chords_are_taken_and_more_are_refused(app: FastAPI) -> None:
    assert len(suggested(app, chords=["C", "F"] * 250)["chords"]) == 500
    answer = call(app, "POST", "/v1/theory/suggest", json={"chords": ["C"] * 501})
    assert errors(answer) == {"/chords": "must name at most 500, not 501"}


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"chords": ["C", "F", "G", "H7"]}, "/chords/3", "expected a chord symbol"),
        ({"chords": ["C", ""]}, "/chords/1", "expected a chord symbol"),
        ({"chords": ["ii", "V"]}, "/chords/1", "need a key"),
        ({"chords": ["C", 5]}, "/chords/1", "string"),
        ({"chords": ["C" * 100_000]}, "/chords/0", "at most 16 characters"),
        ({"chords": {}}, "/chords", "tuple"),
        ({"key": "H"}, "/key", "such as C, F#m"),
        ({"style": "polka"}, "/style", "'pop', 'rock', 'jazz', 'blues' or 'folk'"),
        ({"mood": "hungry"}, "/mood", "'happy', 'sad'"),
        ({"limit": 0}, "/limit", "1 to 24"),
        ({"bars": 1}, "/bars", "2 to 32"),
        ({"random_seed": 2**60}, "/random_seed", "must be"),
        ({"chord": ["C"]}, "/chord", "is not a field"),
    ],
)
def test_what_does_not_fit_is_pointed_at(app: FastAPI, body: dict[str, Any], pointer: str, detail: str) -> None:
    assert detail in errors(call(app, "POST", "/v1/theory/suggest", json=body))[pointer]


def test_no_answer_names_more_than_fifty_wrong_chords(app: FastAPI) -> None:
    found = errors(call(app, "POST", "/v1/theory/suggest", json={"chords": ["H"] * 500}))
    assert len(found) == 51
    assert found["/chords"] == "and 450 more are no chords"


def test_a_change_of_key_is_shown_where_it_happens(app: FastAPI) -> None:
    found = suggested(app, chords="C F G C D G A D")
    (modulation,) = found["modulations"]
    assert (modulation["chord_index"], modulation["from_key"], modulation["key"]["name"]) == (4, "C major", "D major")
    assert 0 < modulation["key"]["confidence"] < 1
    assert found["key"]["name"] == "D major"
    assert [chord["roman"] for chord in found["chords"]] == ["I", "IV", "V", "I"] * 2


@pytest.mark.parametrize("body", [{"chords": "C A7 Dm G C"}, {"chords": "C F G C D G A D", "key": "C"}, {}])
def test_where_the_key_stays_or_is_given_there_is_no_change_of_it(app: FastAPI, body: dict[str, Any]) -> None:
    assert suggested(app, **body)["modulations"] == []


# Moving and simplifying


def test_chords_that_change_their_key_keep_doing_so_wherever_they_are_moved(app: FastAPI) -> None:
    for body in ({"semitones": 3}, {"to_key": "F"}):
        answer = call(app, "POST", "/v1/theory/chords", json={"chords": "C F G C D G A D"} | body)
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["key"]["name"] == "F major"
        assert [each["chord"] for each in found["chords"]] == ["Eb", "Ab", "Bb", "Eb", "F", "Bb", "C", "F"]
        assert [each["roman"] for each in found["chords"]] == ["I", "IV", "V", "I"] * 2
        (modulation,) = found["modulations"]
        assert (modulation["chord_index"], modulation["from_key"]) == (4, "Eb major")


@pytest.mark.parametrize(
    ("body", "chords", "key"),
    [
        ({"chords": "I V/7 vi7 IV", "key": "Bb"}, "Bb F/A Gm7 Eb", "Bb major"),
        ({"chords": "C G Am F", "semitones": 3}, "Eb Bb Cm Ab", "Eb major"),
        ({"chords": "C E7 Am Fm", "key": "C", "to_key": "A♭"}, "Ab C7 Fm Dbm", "Ab major"),
        ({"chords": "Cmaj9 G13 Am7/G", "key": "C", "tones": 4}, "Cmaj7 G7 Am7", "C major"),
        ({"chords": "Cmaj9 G13 Am7/G", "key": "C", "tones": 3, "semitones": -1}, "B F# G#m", "B major"),
    ],
)
def test_chords_are_moved_and_made_simpler(app: FastAPI, body: dict[str, Any], chords: str, key: str) -> None:
    answer = call(app, "POST", "/v1/theory/chords", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert " ".join(each["chord"] for each in found["chords"]) == chords
    assert found["key"]["name"] == key
    assert len(found["capo"]["shapes"]) == len(found["chords"])


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"chords": []}, "/chords", "at least one"),
        ({}, "/chords", "is required"),
        ({"chords": ["C", "X"]}, "/chords/1", "expected a chord symbol"),
        ({"chords": ["C"], "semitones": 25}, "/semitones", "-24 to 24"),
        ({"chords": ["C"], "semitones": 1, "to_key": "D"}, "", "send one of them"),
        ({"chords": ["C"], "key": "C", "to_key": "Am"}, "/to_key", "must be a major key"),
        ({"chords": ["C"], "tones": 5}, "/tones", "3 or 4"),
    ],
)
def test_a_change_that_does_not_fit_is_pointed_at(
    app: FastAPI, body: dict[str, Any], pointer: str, detail: str
) -> None:
    assert detail in errors(call(app, "POST", "/v1/theory/chords", json=body))[pointer]


# Songs


def test_a_theme_is_answered_with_a_song(app: FastAPI) -> None:
    answer = call(app, "POST", "/v1/theory/songs", json={"theme": "summer rain"})
    assert answer.status_code == 200, answer.text
    song = answer.json()
    assert song["title"] == "Summer Rain"
    assert song["form"] == ["verse", "chorus", "verse", "chorus", "bridge", "chorus"]
    assert {section["name"] for section in song["sections"]} == set(song["form"])
    assert song == call(app, "POST", "/v1/theory/songs", json={"theme": "summer rain"}).json()


def test_the_accompaniment_of_a_song_is_accepted_as_it_stands(app: FastAPI) -> None:
    ready = call(app, "POST", "/v1/theory/songs", json={"theme": "summer rain"}).json()["requests"]["accompaniment"]
    answer = call(app, ready["method"], ready["path"], json=ready["body"])
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({}, "/theme", "is required"),
        ({"theme": ""}, "/theme", "must say what the song is about"),
        ({"theme": " \n "}, "/theme", "must say what the song is about"),
        ({"theme": "?!"}, "/theme", "must say what the song is about"),
        ({"theme": "x" * 100_000}, "/theme", "at most 1000 characters, not 100000"),
        ({"theme": 5}, "/theme", "string"),
        ({"theme": "x", "style": "polka"}, "/style", "'pop', 'rock', 'jazz', 'blues' or 'folk'"),
        ({"theme": "x", "mood": "hungry"}, "/mood", "'triumphant'"),
        ({"theme": "x", "key": "Q"}, "/key", "such as C, F#m"),
        ({"theme": "x", "tempo_bpm": 10}, "/tempo_bpm", "30 to 300"),
        ({"theme": "x", "form": ["solo"]}, "/form/0", "'verse', 'chorus'"),
        ({"theme": "x", "form": []}, "/form", "at least one"),
        ({"theme": "x", "form": ["verse"] * 13}, "/form", "at most 12"),
    ],
)
def test_a_song_request_that_does_not_fit_is_pointed_at(
    app: FastAPI, body: dict[str, Any], pointer: str, detail: str
) -> None:
    answer = call(app, "POST", "/v1/theory/songs", json=body)
    assert detail in errors(answer)[pointer]
    assert len(answer.content) < 2000, "a theme of 100 kB is not repeated"


# The first songwriting service


def test_a_theme_is_answered_with_instructions_in_order(app: FastAPI) -> None:
    answer = call(app, "POST", "/instructions", json={"theme": "summer rain"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"theme", "instructions"}
    assert body["theme"] == "summer rain"
    assert all(isinstance(step, str) for step in body["instructions"])
    assert call(app, "GET", "/instructions", params={"theme": "summer rain"}).json() == body


@pytest.mark.parametrize("theme", ["", "  ", "x" * 100_000])
def test_instructions_need_a_theme_that_can_be_sung(app: FastAPI, theme: str) -> None:
    assert "/theme" in errors(call(app, "POST", "/instructions", json={"theme": theme}))
    assert "theme" in errors(call(app, "GET", "/instructions", params={"theme": theme[:5000]}))
