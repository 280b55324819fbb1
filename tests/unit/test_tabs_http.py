"""``POST /tabs`` and ``POST /v1/theory/tabs``, from the request to the answer."""

from __future__ import annotations

import asyncio
import base64
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from core.bootstrap import build, memory_storage
from core.settings import Settings
from functions.http.app import create_app

PROGRESSION = ["C", "G", "Am", "F"]
GUITAR_TAB = """\
   C                 G                 Am                F
e|-0---0-0---0-0-0-|-3---3-3---3-3-3-|-0---0-0---0-0-0-|-1---1-1---1-1-1-|
B|-1---1-1---1-1-1-|-0---0-0---0-0-0-|-1---1-1---1-1-1-|-1---1-1---1-1-1-|
G|-0---0-0---0-0-0-|-0---0-0---0-0-0-|-2---2-2---2-2-2-|-2---2-2---2-2-2-|
D|-2---2-2---2-2-2-|-0---0-0---0-0-0-|-2---2-2---2-2-2-|-3---3-3---3-3-3-|
A|-3---3-------3---|-2---2-------2---|-0---0-------0---|-----------------|
E|-----------------|-3---3-------3---|-----------------|-----------------|
   D   D U   U D U   D   D U   U D U   D   D U   U D U   D   D U   U D U
"""
BASS_TAB = """\
   C                 G                 Am                F
G|---------0---0---|-----------------|-----------------|-----------------|
D|-----------------|---------0---0---|---------2---2---|-----------------|
A|-3---3-----------|-----------------|-0---0-----------|---------3---3---|
E|-----------------|-3---3-----------|-----------------|-1---1-----------|
"""


@cache
def app() -> FastAPI:
    services = build(Settings.read({}), memory_storage())
    return create_app(lambda: services)


def post(path: str, body: Any, **headers: str) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app())
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json=body, headers=headers)

    return asyncio.run(send())


def tabs(**fields: Any) -> httpx.Response:
    return post("/v1/theory/tabs", {"chords": PROGRESSION} | fields)


def fault(answer: httpx.Response) -> tuple[str, str]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    (error,) = answer.json()["errors"]
    return error["pointer"], error["detail"]


def test_chords_come_back_as_tabs_for_guitar_and_bass() -> None:
    answer = post("/tabs", {"chords": PROGRESSION})
    assert answer.status_code == 200
    assert answer.json()["chords"] == PROGRESSION
    assert answer.json()["guitar"] == GUITAR_TAB
    assert answer.json()["bass"] == BASS_TAB


def test_a_bare_list_of_chords_will_do() -> None:
    assert post("/tabs", PROGRESSION).json() == post("/tabs", {"chords": PROGRESSION}).json()


def test_every_answer_shows_how_each_chord_is_held() -> None:
    first, *_, last = post("/tabs", {"chords": ["C", "F"]}).json()["shapes"]
    assert (first["chord"], first["frets"], first["fingers"]) == ("C", [None, 3, 2, 0, 1, 0], [0, 3, 2, 0, 1, 0])
    assert first["notes"] == ["C3", "E3", "G3", "C4", "E4"]
    assert first["strings"][0] == {"string": 6, "state": "muted", "fret": None, "finger": None, "note": None}
    assert first["strings"][1] == {"string": 5, "state": "fretted", "fret": 3, "finger": 3, "note": "C3"}
    assert first["strings"][3] == {"string": 3, "state": "open", "fret": 0, "finger": None, "note": "G3"}
    assert (first["barre"], first["position"]) == (None, 1)
    assert last["barre"] == {"fret": 1, "from_string": 2, "to_string": 1}


def test_what_is_left_out_is_a_strummed_guitar() -> None:
    answer = tabs().json()
    assert answer["instrument"] == "acoustic_guitar"
    assert answer["tuning"] == ["E2", "A2", "D3", "G3", "B3", "E4"]
    assert (answer["capo"], answer["format"], answer["media_type"]) == (0, "ascii", "text/plain")
    assert len(answer["shapes"]) == len(PROGRESSION)
    assert "U" in answer["tab"]


def test_a_bass_line_is_for_a_bass_unless_another_instrument_is_named() -> None:
    assert tabs(pattern="walking_bass").json()["instrument"] == "bass_guitar"
    assert tabs(pattern="walking_bass", instrument="electric_guitar").json()["instrument"] == "electric_guitar"


def test_a_capo_changes_the_shapes_and_not_what_sounds() -> None:
    plain, with_capo = tabs(chords=["D"]).json(), tabs(chords=["D"], capo=2).json()
    assert with_capo["shapes"][0]["frets"] == [None, 3, 2, 0, 1, 0]
    assert {note[0] for note in with_capo["shapes"][0]["notes"]} == {note[0] for note in plain["shapes"][0]["notes"]}


@pytest.mark.parametrize(
    ("fields", "strings"),
    [
        ({"tuning": "drop_d"}, 6),
        ({"instrument": "ukulele"}, 4),
        ({"instrument": "bass_guitar", "strings": 5}, 5),
        ({"strings": 7}, 7),
        ({"tuning": ["G4", "D3", "G3", "B3", "D4"]}, 5),
    ],
)
def test_necks_of_four_to_seven_strings_are_taken(fields: dict[str, Any], strings: int) -> None:
    answer = tabs(**fields).json()
    assert len(answer["tuning"]) == strings
    assert len([line for line in answer["tab"].splitlines() if "|" in line]) == strings


def test_the_media_type_itself_gets_the_bare_tab() -> None:
    bare = post("/v1/theory/tabs", {"chords": PROGRESSION}, accept="text/plain")
    assert bare.headers["content-type"].startswith("text/plain")
    assert bare.text == tabs().json()["tab"]
    listed = post("/v1/theory/tabs", {"chords": PROGRESSION}, accept="text/plain, */*;q=0.1")
    assert listed.text == bare.text
    browser = post("/v1/theory/tabs", {"chords": PROGRESSION}, accept="application/json, text/plain, */*")
    assert browser.json() == tabs().json()


@pytest.mark.parametrize("path", ["/tabs", "/v1/theory/tabs"])
def test_a_chord_that_is_none_is_pointed_at_with_what_was_expected(path: str) -> None:
    pointer, detail = fault(post(path, {"chords": ["C", "G", "Am", "H7"]}))
    assert pointer == "/chords/3"
    assert detail.startswith("'H7' is not a chord: expected a chord symbol (Am7, D/F#)")


def test_numbers_and_numerals_are_read_in_a_key() -> None:
    answer = tabs(chords=["1", "5", "vi", "IV"], key="C").json()
    assert answer["chords"] == PROGRESSION
    assert answer["shapes"] == tabs().json()["shapes"]
    assert tabs(chords="C G Am F").json() == tabs().json()
    assert fault(tabs(chords=["C", "5"])) == (
        "/chords/1",
        "'5': numbers and numerals need a key: send one, such as C or F#m",
    )
    assert fault(tabs(key="H"))[0] == "/key"


def test_the_first_route_reads_numbers_and_numerals_in_a_key_as_well() -> None:
    assert post("/tabs", {"chords": ["1", "5", "vi", "IV"], "key": "C"}).json() == post("/tabs", PROGRESSION).json()
    assert post("/tabs", {"chords": PROGRESSION, "key": None}).json() == post("/tabs", PROGRESSION).json()
    pointer, detail = fault(post("/tabs", ["C", "V"]))
    assert (pointer, detail) == ("/chords/1", "'V': numbers and numerals need a key: send one, such as C or F#m")
    assert fault(post("/tabs", {"chords": PROGRESSION, "key": "H"}))[0] == "/key"


@pytest.mark.parametrize("path", ["/tabs", "/v1/theory/tabs"])
@pytest.mark.parametrize("chords", [None, 7, True, {"0": "C"}])
def test_what_is_no_list_of_chords_is_told_what_one_looks_like(path: str, chords: Any) -> None:
    pointer, detail = fault(post(path, {"chords": chords}))
    assert pointer == "/chords"
    assert detail == 'must be a list of chords, such as ["C", "G", "Am"], or a text with blanks between them'


def test_an_answer_names_fifty_faults_at_most() -> None:
    found = tabs(chords=["H"] * 500).json()["errors"]
    assert [each["pointer"] for each in found[:2]] == ["/chords/0", "/chords/1"]
    assert found[50:] == [{"pointer": "/chords", "detail": "and 450 more do not fit", "in": "body"}]


@pytest.mark.parametrize("path", ["/tabs", "/v1/theory/tabs"])
@pytest.mark.parametrize(
    ("chords", "pointer", "detail"),
    [
        ([], "/chords", "must name at least one"),
        (["C"] * 501, "/chords", "must name at most 500, not 501"),
        (["C", "A" * 100_000], "/chords/1", "a chord has at most 16 characters, this one has 100000"),
        (["C", 7], "/chords/1", "Input should be a valid string"),
        (["C", ""], "/chords/1", "'' is not a chord: expected"),
    ],
)
def test_bad_chords_get_one_clear_answer(path: str, chords: list[Any], pointer: str, detail: str) -> None:
    found = fault(post(path, {"chords": chords}))
    assert found[0] == pointer
    assert found[1].startswith(detail)
    assert len(found[1]) < 300


@pytest.mark.parametrize(
    ("fields", "pointer", "detail"),
    [
        ({"tuning": "nashville"}, "/tuning", "it has standard, drop_d, open_g, half_step_down, or give its notes"),
        ({"instrument": "ukulele", "tuning": "drop_d"}, "/tuning", "ukulele has no tuning 'drop_d'"),
        ({"tuning": ["E2", "A2", "D3"]}, "/tuning", "a tuning has 4 to 7 notes, not 3"),
        ({"tuning": ["E2", "A2", "D3", "x"]}, "/tuning", "'x' is no note"),
        ({"tuning": ["E2"] * 8}, "/tuning", "a list of 4 to 7 notes"),
        ({"tuning": "x" * 100_000}, "/tuning", "must be a tuning's name"),
        ({"strings": 5}, "/tuning", "has 6 strings, not 5"),
        ({"strings": 8}, "/strings", "must be 4 to 7, not 8"),
        ({"capo": 12}, "/capo", "must be 0 to 11, not 12"),
        ({"level": "expert"}, "/level", "'open', 'barre' or 'any'"),
        ({"pattern": "slap"}, "/pattern", "'strum', 'fingerpicking', 'bass' or 'walking_bass'"),
        ({"format": "pdf"}, "/format", "'ascii', 'alphatex', 'musicxml', 'midi' or 'svg'"),
        ({"instrument": "lute"}, "/instrument", "'acoustic_guitar'"),
        (
            {"tuning": ["C4"] * 4, "capo": 11, "instrument": "ukulele"},
            "/chords/1",
            "G cannot be held on C4 C4 C4 C4 with 7",
        ),
        ({"frets": 3}, "/frets", "is not a field of this request"),
    ],
)
def test_what_there_is_not_is_answered_with_what_there_is(fields: dict[str, Any], pointer: str, detail: str) -> None:
    found = fault(tabs(**fields))
    assert found[0] == pointer
    assert detail in found[1]
    assert len(found[1]) < 300


@pytest.mark.parametrize(
    ("name", "media_type", "begins"),
    [
        ("ascii", "text/plain", "   C "),
        ("alphatex", "text/x-alphatex", "\\tempo 100\n"),
        ("musicxml", "application/vnd.recordare.musicxml+xml", "<?xml "),
        ("svg", "image/svg+xml", "<svg "),
    ],
)
def test_every_format_comes_as_json_or_by_its_media_type_alone(name: str, media_type: str, begins: str) -> None:
    answer = tabs(format=name).json()
    assert answer["media_type"] == media_type
    assert answer["tab"].startswith(begins)
    assert len(answer["shapes"]) == len(PROGRESSION)
    bare = post("/v1/theory/tabs", {"chords": PROGRESSION, "format": name}, accept=f"{media_type}; q=0.9")
    assert bare.headers["content-type"].partition(";")[0] == media_type
    assert bare.text == answer["tab"]


def test_midi_is_base64_in_json_and_binary_by_its_media_type() -> None:
    answer = tabs(format="midi").json()
    bare = post("/v1/theory/tabs", {"chords": PROGRESSION, "format": "midi"}, accept="audio/midi")
    assert bare.headers["content-type"] == "audio/midi"
    assert bare.content.startswith(b"MThd")
    assert base64.b64decode(answer["tab"], validate=True) == bare.content


def test_five_hundred_chords_are_five_hundred_bars() -> None:
    answer = tabs(chords=["C", "G/B", "Am7", "F", "Bm7b5"] * 100, pattern="fingerpicking", width=40).json()
    assert len(answer["shapes"]) == 500
    top = [line for line in answer["tab"].splitlines() if line.startswith("e|")]
    assert sum(line.count("-|") for line in top) == 500
    assert max(map(len, answer["tab"].splitlines())) <= 40


def test_the_same_request_gets_the_same_answer() -> None:
    assert tabs(level="any").content == tabs(level="any").content


def test_the_documentation_shows_both_addresses_with_examples() -> None:
    described = app().openapi()
    assert {"/tabs", "/v1/theory/tabs"} <= set(described["paths"])
    schemas = described["components"]["schemas"]
    assert schemas["SimpleTabsRequest"]["example"] == {"chords": PROGRESSION}
    assert schemas["TabRequest"]["properties"]["chords"]["maxItems"] == 500
    answers = described["paths"]["/v1/theory/tabs"]["post"]["responses"]["200"]["content"]
    assert {"application/json", "text/plain", "audio/midi", "image/svg+xml"} <= set(answers)


def test_more_different_chords_than_any_song_has_are_refused() -> None:
    roots = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb")
    chords = [
        root + quality
        for root in roots
        for quality in ("", "m", "7", "m7", "maj7", "6", "9", "dim", "aug", "sus4", "5")
    ]
    assert len(chords) == 121
    [error] = tabs(chords=chords).json()["errors"]
    assert (error["pointer"], error["detail"]) == ("/chords", "must be at most 120 different ones, not 121")
