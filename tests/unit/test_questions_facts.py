"""What is said of a job is true of it: of every kind, in every state, each sentence is held against its fields."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from core.bootstrap import build, memory_storage
from core.jobs.model import Job, JobKind, JobStatus
from core.jobs.view import job_view
from core.questions.fact import Fact, Topic
from core.questions.facts import (
    accompaniment,
    bridge,
    deadline,
    effects,
    generation,
    heard,
    outputs,
    separation,
    sounds,
)
from core.questions.facts.every import facts_of
from core.questions.wording import Wording
from core.settings import Settings
from core.theory.keys import parse_key
from tests.in_process import call
from tests.music import band, guitar
from tests.songs import encoded
from tests.toy_bridge import ToyBridges
from tests.unit.question_examples import example, in_state

Numbers = Sequence[float]
_MARKS = "⟦⟧"
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")


def facts(job: Job, queue_position: int | None = None) -> list[Fact]:
    return facts_of(job.kind, job_view(job, queue_position))


def at(view: Any, pointer: str) -> Any:
    """What stands at an RFC 6901 pointer; fails if nothing does."""
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        view = view[int(token)] if isinstance(view, list) else view[token]
    return view


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every value stands between marks, so that it can be told from our own words."""
    formatted = Wording.format_field

    def marking(self: Wording, value: Any, format_spec: str) -> Any:
        return f"{_MARKS[0]}{formatted(self, value, format_spec)}{_MARKS[1]}"

    monkeypatch.setattr(Wording, "format_field", marking)


def every_job() -> list[Any]:
    return [pytest.param(kind, status, id=f"{kind}-{status}") for kind in JobKind for status in JobStatus]


def seconds_between(view: dict[str, Any], late: str, early: str) -> float:
    times = [datetime.fromisoformat(view[name]) for name in (late, early)]
    return (times[0] - times[1]).total_seconds()


def up(step: float, most: float) -> Callable[[Numbers, Any], list[float]]:
    return lambda inputs, _: [min(value + step, most) for value in inputs]


def down(step: float, least: float) -> Callable[[Numbers, Any], list[float]]:
    return lambda inputs, _: [max(value - step, least) for value in inputs]


def shared_notes(one: str, other: str) -> int:
    """By the circle of fifths: keys so many steps apart have so many notes that differ, and at most five."""
    fifths = [(parse_key(key).pitch_class + (3 if "minor" in key else 0)) * 7 % 12 for key in (one, other)]
    apart = (fifths[0] - fifths[1]) % 12
    return 7 - min(apart, 12 - apart, 5)


RULES: dict[str, Callable[[Numbers, dict[str, Any]], list[float]]] = {
    outputs.TO_TARGET: lambda inputs, _: [abs(-16 - value) for value in inputs],
    outputs.TO_TARGET_WITH_ROOM: lambda inputs, _: [r for value in inputs for r in (-16 - value, -1 - value)],
    outputs.TO_CEILING: lambda inputs, _: [value + 1 for value in inputs],
    heard.HALF_AND_TWICE: lambda inputs, _: [r for value in inputs for r in (value / 2, value * 2)],
    heard.BACK_IN_TUNE: lambda inputs, _: [-value for value in inputs],
    bridge.HALFWAY_TO_TRACK1: lambda inputs, _: [min(inputs) / 2],
    bridge.HALFWAY_TO_TRACK2: lambda inputs, _: [(max(inputs) + 1) / 2],
    bridge.NOTES_SHARED: lambda _, view: [shared_notes(*(track["key"] for track in view["result"]["tracks"].values()))],
    bridge.TEMPOS_APART: lambda inputs, _: [100 * (max(inputs) / min(inputs) - 1)],
    bridge.WITHIN_THE_TRACK: lambda inputs, _: [
        r for end in inputs for start in inputs for r in (end - start, inputs[-1] + end - start)
    ],
    generation.FASTER_AND_SLOWER: lambda inputs, _: [r for value in inputs for r in (value * 1.1, value * 0.9)],
    generation.MORE_FREE: up(0.3, 2),
    generation.LESS_FREE: down(0.3, 0),
    generation.CLOSER_TO_PROMPT: up(1, 20),
    separation.MORE_SHIFTS: up(2, 10),
    separation.MORE_OVERLAP: up(0.1, 0.5),
    effects.MORE_OF_IT: up(0.1, 1),
    effects.LESS_OF_IT: down(0.1, 0),
    sounds.HARDER: up(0.1, 1),
    sounds.SOFTER: down(0.1, 0),
    sounds.COUNTED: lambda inputs, view: [len(view["request"]["notes"])],
    accompaniment.LOUDER_STEMS: up(3, 12),
    accompaniment.QUIETER_STEMS: down(3, -24),
    deadline.AS_FAR_AS_IT_CAME: lambda inputs, view: [
        r for end in inputs for start in (0, *inputs) for r in (end - start, int((end - start) * view["progress"]))
    ],
    "started_at less created_at": lambda _, view: [seconds_between(view, "started_at", "created_at")],
    "finished_at less started_at": lambda _, view: [seconds_between(view, "finished_at", "started_at")],
}  # fmt: skip
"""The rules again, by themselves: of all numbers at a fact's fields, and of the job, what may follow."""


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from leaves(each)
    else:
        yield value


def held(fact: Fact, view: dict[str, Any]) -> list[float]:
    """All numbers at a fact's fields, also those within texts, and the places of what is in lists."""
    found = [float(int(token) + 1) for field in fact.fields for token in field.split("/") if token.isdigit()]
    for value in [leaf for field in fact.fields for leaf in leaves(at(view, field))]:
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.append(float(value))
        elif isinstance(value, str):
            found += [float(number) for number in re.findall(r"\d+(?:\.\d+)?", value)]
    return found


def moments(fact: Fact, view: dict[str, Any]) -> set[str]:
    found = set()
    for field in fact.fields:
        if field.endswith(("_at", "/at")):
            moment = datetime.fromisoformat(at(view, field)).astimezone(UTC)
            found.add(f"{moment:%Y-%m-%d %H:%M:%S} UTC")
    return found


def check_numbers(fact: Fact, view: dict[str, Any]) -> None:
    inputs = held(fact, view)
    allowed = [*inputs, *(100 * value for value in inputs), *(RULES[fact.rule](inputs, view) if fact.rule else ())]
    for text in re.findall(rf"{_MARKS[0]}(.*?){_MARKS[1]}", fact.text):
        for moment in _MOMENT.findall(text):
            assert moment in moments(fact, view), fact
        for number in _NUMBER.findall(_MOMENT.sub("", text)):
            near = 0.5 if "." not in number else 0.051 if len(number.partition(".")[2]) == 1 else 0.0051
            assert any(math.isclose(float(number), value, abs_tol=near) for value in allowed), (number, fact)


@pytest.mark.parametrize(("kind", "status"), every_job())
def test_every_field_that_a_fact_names_is_there(kind: JobKind, status: JobStatus) -> None:
    view = job_view(in_state(kind, status))
    for fact in facts(in_state(kind, status)):
        assert fact.fields, fact
        for field in fact.fields:
            at(view, field)


@pytest.mark.parametrize(("kind", "status"), every_job())
def test_every_number_in_a_sentence_is_in_its_fields_or_follows_from_them_by_its_rule(
    kind: JobKind, status: JobStatus, marked: None
) -> None:
    job = in_state(kind, status)
    found = facts(job)
    assert any(_MARKS[0] in fact.text for fact in found)
    for fact in found:
        check_numbers(fact, job_view(job))


@pytest.mark.parametrize(("kind", "status"), every_job())
def test_every_sentence_is_whole_and_said_once(kind: JobKind, status: JobStatus) -> None:
    texts = [fact.text for fact in facts(in_state(kind, status))]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert text[0].isupper() or text[0].isdigit() or "." in text.split()[0], text
        assert text.endswith(".") and ".." not in text and "None" not in text and "{" not in text, text
        assert text.isprintable()


@pytest.mark.parametrize("kind", JobKind)
def test_of_every_kind_it_is_told_how_it_was_made_with_what_and_what_went_wrong(kind: JobKind) -> None:
    told = {topic for fact in facts(example(kind)) for topic in fact.topics}
    assert told >= {Topic.MADE, Topic.FOUND, Topic.PARAMETERS, Topic.ADVICE, Topic.TROUBLE, Topic.TIMES}


@pytest.fixture(scope="module")
def made_bridges() -> list[Job]:
    """Two bridges of a small engine, from the request to the end: one completed, one of tracks that are too short."""
    services = build(Settings.read({"DEFAULT_BRIDGE_ENGINE": "toy"}), memory_storage(), engines=ToyBridges())
    first, second = encoded(guitar(bars=3, tempo_bpm=100).samples), encoded(band(seconds=6, tempo_bpm=140).samples)
    files = [("track1", ("calm.wav", first)), ("track2", ("dance.wav", second))]
    times = [("start_seconds", (None, "1")), ("end_seconds", (None, "5")), ("ratios", (None, "0.3, 0.8"))]
    answers = [
        call(services, "POST", "/v1/bridges", files=[*files, *times]),
        call(services, "POST", "/api/generate", files=[*files, ("start_time", (None, "2"))]),
    ]
    for answer in answers:
        services.runner.run(answer.json()["job_id"])
    return [services.jobs.get(answer.json()["job_id"]) for answer in answers]


def test_what_is_said_of_a_bridge_that_was_really_made_is_true_of_it(made_bridges: list[Job], marked: None) -> None:
    assert [job.status for job in made_bridges] == [JobStatus.COMPLETED, JobStatus.FAILED]
    for job in made_bridges:
        for fact in facts(job):
            check_numbers(fact, job_view(job))


def test_of_both_tracks_of_a_bridge_it_is_told_what_was_heard(made_bridges: list[Job]) -> None:
    done, _ = made_bridges
    for track in ("track1", "track2"):
        found = [fact for fact in facts(done) if fact.scope == track and fact.topics[0] is Topic.FOUND]
        fields = {field.rpartition("/")[2] for fact in found for field in fact.fields}
        assert fields >= {"tempo_bpm", "key", "first_chords", "integrated_lufs", "brightness_hz", "sections"}


def test_a_track_that_was_really_too_short_is_told_how_much_of_it_there_is(made_bridges: list[Job]) -> None:
    _, failed = made_bridges
    assert failed.error is not None
    assert failed.error.type == "audio-too-short"
    [fact] = [fact for fact in facts(failed) if fact.rule == bridge.WITHIN_THE_TRACK]
    seconds = failed.request["track1"]["audio"]["duration_seconds"]
    assert fact.scope == "track1"
    assert f"of at most {seconds:g}," in fact.text
