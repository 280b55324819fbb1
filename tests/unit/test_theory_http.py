"""``/v1/theory`` and ``/instructions`` in one process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from core.bootstrap import Services, build, memory_storage
from core.settings import Settings
from functions.http import theory
from functions.http.app import create_app


@pytest.fixture(scope="module")
def services() -> Services:
    return build(Settings.read({}), memory_storage())


def call(services: Services, method: str, path: str, **options: Any) -> httpx.Response:
    async def send() -> httpx.Response:
        app = create_app(lambda: services)
        if theory.router.routes[0] not in app.routes:
            app.include_router(theory.router)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())


def suggested(services: Services, **body: Any) -> dict[str, Any]:
    answer = call(services, "POST", "/v1/theory/suggest", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def errors(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {error["pointer"]: error["detail"] for error in answer.json()["errors"]}


# What could come next


def test_chords_are_answered_with_what_could_come_next(services: Services) -> None:
    found = suggested(services, chords=["Dm7", "G7"], style="jazz")
    assert found["key"]["name"] == "C major"
    assert [chord["roman"] for chord in found["chords"]] == ["ii7", "V7"]
    best = found["suggestions"][0]
    assert (best["chord"], best["function"]) == ("C", "tonic")
    assert len(found["suggestions"]) == 8
    total = sum(each["probability"] for each in found["suggestions"]) + found["rest_probability"]
    assert total == pytest.approx(1, abs=1e-3)


def test_numerals_and_numbers_are_answered_in_symbols(services: Services) -> None:
    found = suggested(services, chords="ii7 5/7 B♭", key="A♭")
    assert [chord["chord"] for chord in found["chords"]] == ["Bbm7", "Eb/G", "Bb"]
    assert found["key"] == {"name": "Ab major", "tonic": "Ab", "mode": "major", "confidence": 1.0}
    assert [chord["function"] for chord in found["chords"]] == ["predominant", "dominant", "secondary dominant"]


def test_a_guitarist_is_told_where_to_put_the_capo(services: Services) -> None:
    capo = suggested(services, chords=["Bb", "Eb", "F", "Gm"])["capo"]
    assert capo == {"fret": 3, "shapes": ["G", "C", "D", "Em"], "open_chords": 4}


def test_a_mood_draws_progressions_and_the_seed_decides_which(services: Services) -> None:
    one, same, other = (
        suggested(services, mood="sad", bars=8, random_seed=seed)["progressions"] for seed in (1, 1, 900)
    )
    assert one == same != other
    assert all(len(each["chords"]) == len(each["roman"]) == 8 for each in one)
    assert all(each["roman"][0].startswith("i") for each in one)


def test_nothing_at_all_is_answered_with_first_chords(services: Services) -> None:
    assert suggested(services)["suggestions"][0]["chord"] == "C"


def test_five_hundred_chords_are_taken_and_more_are_refused(services: Services) -> None:
    assert len(suggested(services, chords=["C", "F"] * 250)["chords"]) == 500
    answer = call(services, "POST", "/v1/theory/suggest", json={"chords": ["C"] * 501})
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
def test_what_does_not_fit_is_pointed_at(services: Services, body: dict[str, Any], pointer: str, detail: str) -> None:
    assert detail in errors(call(services, "POST", "/v1/theory/suggest", json=body))[pointer]


def test_no_answer_names_more_than_fifty_wrong_chords(services: Services) -> None:
    found = errors(call(services, "POST", "/v1/theory/suggest", json={"chords": ["H"] * 500}))
    assert len(found) == 51
    assert found["/chords"] == "and 450 more are no chords"
