"""The check of an installation by its answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from core import __version__
from infra.verify.__main__ import main
from infra.verify.end_to_end import ELSEWHERE, PROJECT, QUICK, read_report
from infra.verify.finding import State, as_json, missing, ok, unseen
from infra.verify.service import Service, certificate
from infra.verify.wake import LONGEST_SECONDS, wake

KEY = "correct horse"
ENGINES = {"engines": [{"name": "synth"}]}
Answer = Callable[[httpx.Request], httpx.Response]


def installation(**changes: httpx.Response) -> Answer:
    """One that is well and asks for a key, but for the answers to some paths."""

    def answer(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path in changes:
            return changes[path]
        if request.method == "OPTIONS":
            origin = request.headers["origin"]
            known = origin == "https://app.example.org"
            return httpx.Response(
                200 if known else 400, headers={"access-control-allow-origin": origin} if known else {}
            )
        if path == "/v1/engines" and request.headers.get("authorization") != f"Bearer {KEY}":
            return httpx.Response(401, json={"detail": "The API key is missing or wrong"})
        bodies = {
            "/healthz": {"status": "ok"},
            "/readyz": {"status": "ready"},
            "/openapi.json": {"info": {"version": __version__}},
            "/v1/engines": ENGINES,
        }
        return httpx.Response(200, json=bodies[path])

    return answer


def look(
    answer: Answer, *, url: str = "https://music.example.org", key: str | None = KEY, origin: str | None = None
) -> dict[str, tuple[State, str]]:
    service = Service(url, key, origin, httpx.MockTransport(answer))
    return {finding.subject: (finding.state, finding.detail) for finding in service.findings()}


def missed(seen: dict[str, tuple[State, str]]) -> list[str]:
    return [subject for subject, (state, _) in seen.items() if state is State.MISSING]


def test_an_installation_that_is_well_has_no_fault() -> None:
    seen = look(installation())
    assert missed(seen) == []
    assert seen["API keys"] == (State.OK, "asked for")
    assert seen["version"] == (State.OK, __version__)
    assert seen["engines"] == (State.OK, "synth")


@pytest.mark.parametrize(
    ("path", "answer", "subject", "said"),
    [
        ("/healthz", httpx.Response(502, text="<h1>bad  gateway</h1>"), "lives", "502: <h1>bad gateway</h1>"),
        ("/readyz", httpx.Response(503, json={"detail": "no queue"}), "storage answers", "503: no queue"),
        ("/openapi.json", httpx.Response(404), "version", "404: an empty body"),
        ("/openapi.json", httpx.Response(200, json={"info": {"version": "0.0.9"}}), "version", "0.0.9 runs there"),
        ("/v1/engines", httpx.Response(200, json={"engines": []}), "engines", "200"),
        ("/v1/engines", httpx.Response(200, json=ENGINES), "API keys", "set API_KEYS"),
    ],
)
def test_what_is_not_as_it_should_be_is_told_with_what_was_seen(
    path: str, answer: httpx.Response, subject: str, said: str
) -> None:
    seen = look(installation(**{path: answer}))
    assert subject in missed(seen)
    assert said in seen[subject][1]


def test_without_a_key_the_engines_are_not_looked_at() -> None:
    assert look(installation(), key=None)["engines"][0] is State.UNSEEN


def test_a_wrong_key_is_told() -> None:
    assert missed(look(installation(), key="wrong")) == ["engines"]


def test_the_check_for_keys_is_made_without_one() -> None:
    """With one, an installation that lets everybody in would look the same as one that is guarded."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/engines":
            asked.append(request.headers.get("authorization"))
        return installation()(request)

    look(answer)
    assert asked == [None, f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("origin", "state"),
    [(None, State.OK), ("https://app.example.org", State.OK), ("https://other.example.org", State.MISSING)],
)
def test_a_page_that_is_named_must_be_let_in(origin: str | None, state: State) -> None:
    assert look(installation(), origin=origin)["CORS"][0] is state


def test_plain_http_is_a_fault_unless_it_is_on_this_machine() -> None:
    assert missed(look(installation(), url="http://music.example.org")) == ["TLS"]
    for here in ("http://localhost:7071", "http://127.0.0.1:7071", "http://[::1]:7071"):
        assert look(installation(), url=here)["TLS"][0] is State.UNSEEN


def test_without_keys_everybody_may_in_on_this_machine_alone() -> None:
    open_to_all = installation(**{"/v1/engines": httpx.Response(200, json=ENGINES)})
    assert missed(look(open_to_all, url="http://127.0.0.1:7071")) == []


@pytest.mark.parametrize(("days", "state"), [(90, State.OK), (15, State.OK), (13, State.MISSING)])
def test_a_certificate_that_runs_out_soon_is_a_fault(days: int, state: State) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    finding = certificate("TLSv1.3", now + timedelta(days=days), now)
    assert finding.state is state
    assert f"{now + timedelta(days=days):%Y-%m-%d}" in finding.detail


def test_a_connection_that_breaks_later_is_told_as_such() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            raise httpx.ReadTimeout("timed out", request=request)
        return installation()(request)

    assert missed(look(answer)) == ["stays reachable"]


def test_where_nothing_listens_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["http://127.0.0.1:1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "missing        reachable: http://127.0.0.1:1: [Errno 111] Connection refused"
    assert lines[-1] == "0 ok, 1 missing, 1 not looked at"


def test_an_address_without_a_scheme_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["music.example.org"])
    assert ended.value.code == 2
    assert "does not begin with https://" in capsys.readouterr().err


@pytest.mark.parametrize(
    "url", ["http://", "https://music.example.org:abc", "https://music.example.org/?key=x", "https://a b", "https://[x"]
)
def test_what_is_no_address_of_an_installation_is_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([url])
    assert ended.value.code == 2
    assert url in capsys.readouterr().err


def test_an_installation_below_a_path_is_asked_there() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(404)

    look(answer, url="https://example.org/music")
    assert asked
    assert all(path.startswith("/music/") for path in asked)


class TestWake:
    """A job for the GPU."""

    @staticmethod
    def client(attempts: list[int], accepted: int = 202) -> tuple[httpx.Client, list[str]]:
        """An installation whose job shows these attempts, one after the other, and the last one for ever."""
        asked = []

        def answer(request: httpx.Request) -> httpx.Response:
            asked.append(f"{request.method} {request.url.path}")
            if asked[-1] == "POST /v1/generations":
                return httpx.Response(accepted, json={"job_id": "job-1"})
            if request.method == "POST":
                return httpx.Response(202)
            return httpx.Response(200, json={"attempt": attempts.pop(0) if len(attempts) > 1 else attempts[0]})

        return httpx.Client(base_url="https://m.example", transport=httpx.MockTransport(answer)), asked

    @staticmethod
    def by_steps(seconds: float) -> Callable[[], float]:
        times = count(0, seconds)
        return lambda: next(times)

    def test_a_job_that_is_taken_shows_that_the_gpu_woke_up_and_is_called_off(self) -> None:
        http, asked = self.client([0, 0, 1])
        finding = wake(http, self.by_steps(10), lambda seconds: None)
        assert (finding.state, finding.detail) == (State.OK, "a worker took a job after 30 s")
        assert asked[-1] == "POST /v1/jobs/job-1/cancel"

    def test_a_job_that_nobody_takes_is_told_and_called_off(self) -> None:
        http, asked = self.client([0])
        finding = wake(http, self.by_steps(LONGEST_SECONDS / 4), lambda seconds: None)
        assert finding.state is State.MISSING
        assert "scale rules" in finding.detail
        assert asked[-1] == "POST /v1/jobs/job-1/cancel"

    def test_a_job_that_is_refused_is_told(self) -> None:
        http, _ = self.client([0], accepted=401)
        assert "answered 401" in wake(http, self.by_steps(1), lambda seconds: None).detail


REPORT = """<testsuites><testsuite name="pytest">
<testcase name="test_one[url]"/>
<testcase name="test_two[url]"><skipped message="no way back">tests/e2e/x.py:1: no way back</skipped></testcase>
<testcase name="test_three[url]"><failure message="assert 1 == 2&#10; +  where 1 = f()">trace</failure></testcase>
<testcase name="test_four[url]"><error message="failed on setup">trace</error></testcase>
</testsuite></testsuites>"""


def test_of_the_end_to_end_tests_every_failure_and_every_skip_is_told() -> None:
    assert list(read_report(REPORT)) == [
        ok("end-to-end tests", "1 passed"),
        missing("end-to-end test test_three[url]", "assert 1 == 2"),
        missing("end-to-end test test_four[url]", "failed on setup"),
        unseen("end-to-end test test_two[url]", "no way back"),
    ]


def test_a_run_without_any_test_is_a_fault() -> None:
    assert [finding.state for finding in read_report("<testsuites/>")] == [State.MISSING]


@pytest.mark.parametrize("test", [*ELSEWHERE, QUICK])
def test_the_tests_that_are_named_exist(test: str) -> None:
    path, _, name = test.partition("::")
    source = (PROJECT / path).read_text()
    assert f"def {name}(" in source or f"class {name}:" in source


def test_the_document_holds_the_counts_and_every_finding() -> None:
    document = json.loads(as_json("https://m.example", [ok("a"), missing("b", "gone"), unseen("c", "why")]))
    assert document["counts"] == {"ok": 1, "missing": 1, "not looked at": 1}
    assert document["findings"][1] == {"state": "missing", "subject": "b", "detail": "gone"}
