"""``POST /v1/jobs/{job_id}/ask`` and ``POST /api/chat`` in one process."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from core.bootstrap import Services, build, memory_storage
from core.jobs.model import JobKind, JobStatus
from core.settings import Settings
from tests.fake_assistant import FakeAssistant, says
from tests.in_process import call
from tests.unit import question_examples
from tests.unit.question_examples import bridge, example

QUESTION = "What went wrong?"


@pytest.fixture(scope="module")
def services() -> Services:
    built = question_examples.services()
    built.jobs.submit(bridge())
    return built


def ask(services: Services, job_id: str, /, **body: Any) -> httpx.Response:
    return call(services, "POST", f"/v1/jobs/{job_id}/ask", json=body)


def errors(answer: httpx.Response) -> set[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return {(error["in"], error["pointer"]) for error in answer.json()["errors"]}


@pytest.mark.parametrize("kind", JobKind)
def test_every_kind_of_job_answers(services: Services, kind: JobKind) -> None:
    job_id = example(kind).job_id
    answer = ask(services, job_id, question="How was this made?")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["job_id"] == job_id
    assert body["question"] == "How was this made?"
    assert body["answered"] is True
    assert body["answer"] == " ".join(fact["text"] for fact in body["facts"])
    assert set(body["fields"]) == {field for fact in body["facts"] for field in fact["fields"]}


def test_a_chat_answers_the_same_to_json_a_form_and_a_query(services: Services) -> None:
    fields = {"job_id": "bridge-1", "question": QUESTION}
    answers = [
        call(services, "POST", "/api/chat", json=fields),
        call(services, "POST", "/api/chat", data=fields),
        call(services, "POST", "/api/chat", files=[(name, (None, value)) for name, value in fields.items()]),
        call(services, "POST", "/api/chat", params=fields),
        ask(services, "bridge-1", question=QUESTION),
    ]
    assert [answer.status_code for answer in answers] == [200] * 5
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert answers[0].json()["answer"] == "Nothing went wrong: the job was completed."


def test_a_job_that_is_not_there_is_told_so(services: Services) -> None:
    chat = call(services, "POST", "/api/chat", json={"job_id": "nobody", "question": QUESTION})
    for answer in (ask(services, "nobody", question=QUESTION), chat):
        assert answer.status_code == 404
        assert answer.json()["type"].endswith("job-not-found")


@pytest.mark.parametrize(
    ("sent", "wrong"),
    [
        ({"json": {}}, {("body", "/job_id"), ("body", "/question")}),
        ({"json": {"job_id": "a"}}, {("body", "/question")}),
        ({"json": {"job_id": "a", "question": "  "}}, {("body", "/question")}),
        ({"json": {"job_id": "a", "question": 5}}, {("body", "/question")}),
        ({"json": {"job_id": "", "question": "why"}}, {("body", "/job_id")}),
        ({"json": {"job_id": "a", "question": "y" * 1001}}, {("body", "/question")}),
        ({"json": ["a"]}, {("body", "")}),
        ({"data": {"question": "why"}}, {("body", "/job_id")}),
        ({"params": {"question": "why"}}, {("query", "job_id")}),
        ({}, {("query", "job_id"), ("query", "question")}),
    ],
)
def test_a_chat_that_lacks_something_is_pointed_at_it(
    services: Services, sent: dict[str, Any], wrong: set[tuple[str, str]]
) -> None:
    assert errors(call(services, "POST", "/api/chat", **sent)) == wrong


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/question"),
        ({"question": ""}, "/question"),
        ({"question": "y" * 1001}, "/question"),
        ({"question": "why", "assistant": "maybe"}, "/assistant"),
        ({"question": "why", "job_id": "a"}, "/job_id"),
    ],
)
def test_a_question_that_does_not_fit_is_pointed_at(services: Services, body: dict[str, Any], pointer: str) -> None:
    assert errors(ask(services, "bridge-1", **body)) == {("body", pointer)}


def test_what_is_no_json_is_told_so(services: Services) -> None:
    headers = {"content-type": "application/json"}
    assert call(services, "POST", "/api/chat", content=b"{", headers=headers).status_code == 400
    assert call(services, "POST", "/v1/jobs/bridge-1/ask", content=b"question=why").status_code == 415


def test_a_file_in_a_chats_form_is_refused(services: Services) -> None:
    parts = [("job_id", (None, "bridge-1")), ("question", ("q.txt", b"why"))]
    assert call(services, "POST", "/api/chat", files=parts).status_code == 400


def test_a_job_whose_files_expired_still_answers(services: Services) -> None:
    job = example(JobKind.GENERATION)
    store = services.jobs.jobs
    kept = services.jobs.get(job.job_id)
    expired = store.replace(kept, kept.expiring(kept.updated_at).expired(kept.updated_at))
    answer = ask(services, job.job_id, question="Which seed was it?").json()
    assert expired.status is JobStatus.EXPIRED
    assert "The random seed is 7" in answer["answer"]


def test_a_job_that_waits_tells_its_place() -> None:
    services = build(Settings.read({}), memory_storage())
    jobs = [call(services, "POST", "/v1/generations", json={"target_stems": ["bass"]}).json() for _ in range(2)]
    places = [ask(services, job["job_id"], question="What is its place in the queue?").json()["answer"] for job in jobs]
    assert ["place 1 " in places[0], "place 2 " in places[1]] == [True, True]


def test_a_lying_assistant_behind_the_routes_changes_nothing_that_is_said(services: Services) -> None:
    honest = ask(services, "bridge-1", question="What is the key of track 1?", assistant=False).json()
    with FakeAssistant(says({"answer": "H flat", "facts": ["H flat"]})) as liar:
        with_liar = build(Settings.read({"ASSISTANT_ENDPOINT": liar.url}), services.storage)
        answer = ask(with_liar, "bridge-1", question="What is the key of track 1?").json()
        silent = ask(with_liar, "bridge-1", question="What is the key of track 1?", assistant=False).json()
    assert len(liar.asked) == 1
    assert answer | {"assistant": None} == honest == silent
    assert answer["assistant"]["asked"] and not answer["assistant"]["used"]
    assert "H flat" not in str(answer)


def test_the_document_describes_both_ways_of_asking(services: Services) -> None:
    paths = call(services, "GET", "/openapi.json").json()["paths"]
    assert "/v1/jobs/{job_id}/ask" in paths
    content = paths["/api/chat"]["post"]["requestBody"]["content"]
    assert set(content) == {"application/json", "application/x-www-form-urlencoded"}
    assert content["application/json"]["schema"]["required"] == ["job_id", "question"]
    assert {each["name"] for each in paths["/api/chat"]["post"]["parameters"]} >= {"job_id", "question"}
