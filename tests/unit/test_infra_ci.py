"""GitHub's workflows: what is checked of them, and that those of the project pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.checks.workflows import DEPENDABOT, WORKFLOWS, check

WELL = """\
name: CI
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-24.04
    timeout-minutes: 10
    steps:
      - uses: actions/checkout@v5
        with:
          persist-credentials: false
      - run: make test
      - run: python -m infra.tool infra/file.txt
"""
UPDATES = """\
version: 2
updates:
  - package-ecosystem: pip
    directory: /
    schedule:
      interval: weekly
"""


class Project:
    """A repository with a Makefile, a tool, one workflow and dependabot's file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / WORKFLOWS).mkdir(parents=True)
        (folder / "infra").mkdir()
        (folder / "Makefile").write_text("test: setup ## Test\n\t@true\nsetup:\n")
        (folder / "requirements.txt").touch()
        (folder / "infra" / "tool.py").touch()
        (folder / "infra" / "file.txt").touch()
        self.write(WELL)
        (folder / DEPENDABOT).write_text(UPDATES)

    def write(self, workflow: str) -> None:
        (self.folder / WORKFLOWS / "ci.yml").write_text(workflow)

    def faults(self) -> list[str]:
        return [str(fault) for fault in check(self.folder)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_the_workflows_of_the_project_have_no_fault() -> None:
    assert [str(fault) for fault in check()] == []


def test_a_project_that_is_well_has_no_fault(project: Project) -> None:
    assert project.faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("permissions:\n  contents: read\n", "", "ci.yml: no permissions"),
        ("permissions:\n  contents: read\n", "permissions: write-all\n", "ci.yml: permissions: write-all"),
        ("    timeout-minutes: 10\n", "", "ci.yml:7: job test: timeout-minutes must be"),
        ("timeout-minutes: 10", "timeout-minutes: 360", "ci.yml:7: job test: timeout-minutes must be"),
        ("on: [push, pull_request]", "on: [pull_request_target]", "ci.yml: pull_request_target"),
        ("checkout@v5", "checkout@main", "ci.yml:10: job test: actions/checkout@main"),
        ("persist-credentials: false", "fetch-depth: 1", "ci.yml:10: job test: checkout leaves its token"),
        ("make test", "make tset", "ci.yml:13: the Makefile has no target tset"),
        ("make test", "true && make -s tset", "ci.yml:13: the Makefile has no target tset"),
        ("infra.tool", "infra.tools", "ci.yml:14: there is no module infra.tools"),
        ("infra/file.txt", "infra/gone.txt", "ci.yml:14: there is no infra/gone.txt"),
        ("make test", "echo ${{ github.event.issue.title }}", "ci.yml:13: job test: ${{ github.event.issue.title }}"),
        ("make test", "echo ${{ github.head_ref }}", "ci.yml:13: job test: ${{ github.head_ref }} is pasted"),
        ("runs-on: ubuntu-24.04", "runs-on: 3", "ci.yml: $.jobs.test['runs-on']"),
        ("jobs:", "jobs: {", "ci.yml: no YAML"),
    ],
)
def test_what_would_go_wrong_is_told_with_its_line(project: Project, old: str, new: str, fault: str) -> None:
    project.write(WELL.replace(old, new))
    faults = project.faults()
    assert len(faults) == 1
    assert faults[0].startswith(f".github/workflows/{fault}")


@pytest.mark.parametrize(
    "run", ["echo $TOKEN", 'printf %s "${TOKEN}"', "true && echo $TOKEN", "set -x; deploy", "set -eux", "env | sort"]
)
def test_a_script_that_shows_a_secret_is_told(project: Project, run: str) -> None:
    step = f"      - env:\n          TOKEN: ${{{{ secrets.TOKEN }}}}\n        run: {run}\n"
    project.write(WELL + step)
    (fault,) = project.faults()
    assert "TOKEN" in fault


@pytest.mark.parametrize("run", ['azd env set TOKEN "$TOKEN"', "deploy $TOKEN", "echo $PLACE", "set -eu"])
def test_a_script_that_uses_a_secret_is_fine(project: Project, run: str) -> None:
    project.write(WELL + f"      - env:\n          TOKEN: ${{{{ secrets.TOKEN }}}}\n        run: {run}\n")
    assert project.faults() == []


def test_a_secret_of_the_whole_workflow_is_one_in_every_step(project: Project) -> None:
    project.write(WELL.replace("jobs:", "env:\n  TOKEN: ${{ secrets.TOKEN }}\njobs:") + "      - run: echo $TOKEN\n")
    assert any("shows the secret TOKEN" in fault for fault in project.faults())


def test_an_action_by_its_commit_and_a_workflow_of_our_own_are_fine(project: Project) -> None:
    sha = "0123456789abcdef0123456789abcdef01234567"
    called = "  again:\n    uses: ./.github/workflows/ci.yml\n"
    project.write(WELL.replace("checkout@v5", f"checkout@{sha} # v5") + called)
    assert project.faults() == []


def test_a_workflow_that_is_called_and_not_there_is_told(project: Project) -> None:
    project.write(WELL + "  again:\n    uses: ./.github/workflows/gone.yml\n")
    assert project.faults() == [".github/workflows/ci.yml:16: there is no .github/workflows/gone.yml"]


def test_a_path_with_an_expression_stands_for_whatever_fits(project: Project) -> None:
    file = "          file: infra/${{ matrix.role }}.Dockerfile\n"
    project.write(WELL.replace("        with:\n", f"        with:\n{file}"))
    assert len(project.faults()) == 1
    (project.folder / "infra" / "http.Dockerfile").touch()
    assert project.faults() == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("directory: /", "directory: /gone", "dependabot.yml:3: /gone has nothing of pip"),
        ("ecosystem: pip", "ecosystem: npm", "dependabot.yml:3: / has nothing of npm"),
        ("interval: weekly", "interval: sometimes", "dependabot.yml: $.updates[0].schedule.interval"),
    ],
)
def test_dependabot_must_find_what_it_looks_after(project: Project, old: str, new: str, fault: str) -> None:
    (project.folder / DEPENDABOT).write_text(UPDATES.replace(old, new))
    (found,) = project.faults()
    assert found.startswith(f".github/{fault}")


def test_a_project_without_dependabot_is_told(project: Project) -> None:
    (project.folder / DEPENDABOT).unlink()
    assert project.faults() == [".github/dependabot.yml: not there: nothing tells when a pin is out of date"]
