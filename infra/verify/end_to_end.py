"""``tests/e2e`` against an address, with what it says turned into findings."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

from infra.verify.finding import Finding, missing, ok, unseen

PROJECT = Path(__file__).resolve().parents[2]
SUITE = "tests/e2e"

ELSEWHERE = {
    f"{SUITE}/test_separations.py::TestInbox": "it drops files into the storage account itself",
    f"{SUITE}/test_separations.py::test_the_song_that_came_with_a_job_goes_once_it_is_used": "it looks into the "
    "storage account itself",
    f"{SUITE}/test_bridges.py::test_an_engine_without_its_weights_fails_its_job_with_what_to_do": "it expects no "
    "weights, and a GPU app that is awake; --gpu wakes one",
}
"""Tests that hold for a stack of their own alone, with the reason."""

QUICK = f"{SUITE}/test_generations.py::test_the_files_are_what_the_job_says"
"""One job, from its request to its files."""


def end_to_end(base_url: str, api_key: str | None, *, quick: bool) -> Iterator[Finding]:
    """Run the suite, or with ``quick`` one job of it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        ended = _run_pytest(base_url, api_key, [QUICK] if quick else [SUITE], report)
        if not report.exists():
            yield missing("end-to-end tests", f"pytest ended with status {ended.returncode}: {_last_line(ended)}")
            return
        yield from read_report(report.read_text())
    if quick:
        yield unseen("all other end-to-end tests", "--quick")
    else:
        yield from (unseen(f"end-to-end test {_short(test)}", reason) for test, reason in ELSEWHERE.items())


def read_report(report: str) -> Iterator[Finding]:
    """What a JUnit report tells: how many passed, each that failed, and each that was skipped, with the reason."""
    cases = list(ElementTree.fromstring(report).iter("testcase"))  # noqa: S314 - written by pytest a moment ago
    failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = [case for case in cases if case.find("skipped") is not None]
    passed = len(cases) - len(failed) - len(skipped)
    if passed:
        yield ok("end-to-end tests", f"{passed} passed")
    if not cases:
        yield missing("end-to-end tests", "none was found")
    for case in failed:
        yield missing(f"end-to-end test {case.get('name')}", _message(case, "failure") or _message(case, "error"))
    for case in skipped:
        yield unseen(f"end-to-end test {case.get('name')}", _message(case, "skipped"))


def _run_pytest(base_url: str, api_key: str | None, tests: list[str], report: Path) -> subprocess.CompletedProcess[str]:
    """The key goes by the environment: arguments can be read by everybody on the machine."""
    deselected = [f"--deselect={test}" for test in ELSEWHERE]
    options = ["-q", "-k", "url", "-p", "no:cacheprovider", f"--junit-xml={report}", *deselected]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *tests],
        cwd=PROJECT,
        env={**os.environ, **_environment(base_url, api_key)},
        capture_output=True,
        text=True,
        check=False,
    )


def _environment(base_url: str, api_key: str | None) -> Mapping[str, str]:
    key = {"STEMWORKS_API_KEY": api_key} if api_key else {}
    return {"STEMWORKS_URL": base_url, "OMP_WAIT_POLICY": "passive", **key}


def _message(case: ElementTree.Element, kind: str) -> str:
    """The first line of what pytest says."""
    element = case.find(kind)
    said = "" if element is None else element.get("message") or element.text or ""
    return re.sub(r"\s+", " ", said.strip().splitlines()[0])[:200] if said.strip() else ""


def _short(test: str) -> str:
    return test.rpartition("::")[2]


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    lines = (ended.stderr + ended.stdout).strip().splitlines()
    return lines[-1] if lines else "it said nothing"
