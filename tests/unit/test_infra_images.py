"""The images' files: they are without fault, and what would break a build is found."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.checks import images
from infra.checks.images import PROJECT, check, instructions, is_ignored
from infra.checks.pins import CONSTRAINTS, REQUIREMENTS, constraints, resolve_faults

HTTP, GPU = REQUIREMENTS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that images are made of, to be broken."""
    for name in ("infra/docker", "core", "functions"):
        shutil.copytree(PROJECT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc", "__pycache__"))
    names = ("constraints.txt", "function_app.py", "host.json", "LICENSE", ".dockerignore", ".funcignore")
    for name in (*names, *(file.name for file in PROJECT.glob("requirements*.txt"))):
        shutil.copy(PROJECT / name, tmp_path / name)
    return tmp_path


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def faults(copy: Path) -> list[str]:
    return [str(fault) for fault in check(copy)]


def test_the_images_are_without_fault() -> None:
    assert check() == []


def test_a_copy_of_them_is_without_fault(copy: Path) -> None:
    assert faults(copy) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("COPY core core", "COPY kernel kernel", "copies kernel, which is not there"),
        ("COPY core core", "COPY core core .funcignore /x/", ".dockerignore keeps from the builder"),
        ("STEMWORKS_ROLE=http", "STEMWORKS_ROLL=http", "STEMWORKS_ROLL"),
        ("STEMWORKS_ROLE=http", "STEMWORKS_ROLE=web", "setting STEMWORKS_ROLE"),
        ("USER 10001", "USER root", "the last USER must be a number other than 0"),
        ("EXPOSE 8080", "EXPOSE 80", "port 8080"),
        ("'/healthz'", "'/'", "HEALTHCHECK must ask for /healthz"),
        ('CMD ["/azure', 'CMD exec ["/azure', "keeps SIGTERM to itself"),
        ("ARG VERSION=0.1.0", "ARG VERSION=9.9.9", "VERSION is 9.9.9"),
    ],
)
def test_what_would_break_an_image_is_found_with_its_line(copy: Path, old: str, new: str, fault: str) -> None:
    replace(copy / HTTP, old, new)
    found = [one for one in faults(copy) if fault in one]
    assert len(found) == 1 and found[0].startswith(f"{HTTP}:")


def test_hadolint_is_asked(copy: Path) -> None:
    replace(copy / HTTP, "USER 10001", "RUN sudo true\nUSER 10001")
    assert any("DL3004" in fault for fault in faults(copy))


def test_a_torch_that_the_constraints_do_not_pin_is_found(copy: Path) -> None:
    replace(copy / GPU, "torch==2.13.0", "torch==2.12.0")
    assert any("torch==2.12.0 is not what constraints.txt pins" in fault for fault in faults(copy))


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        ("requirements.txt", "fastapi==0.165.0", "fastapi", "fastapi: the constraints pin 0.165.0"),
        ("requirements.txt", "fastapi==0.165.0", "fastapi==0.164.0", "the constraints pin 0.165.0"),
        ("constraints.txt", "starlette==1.10.0\n", "", "pins no starlette, which fastapi brings"),
        ("constraints.txt", "starlette==1.10.0\n", "starlette==0.1.0\n", "does not suit fastapi"),
    ],
)
def test_versions_that_do_not_go_together_are_found(copy: Path, file: str, old: str, new: str, fault: str) -> None:
    replace(copy / file, old, new)
    assert any(fault in one for one in faults(copy))


def test_code_that_only_one_way_of_publishing_ships_is_found(copy: Path) -> None:
    (copy / "plugins").mkdir()
    (copy / "plugins" / "one.py").touch()
    assert faults(copy) == [".funcignore: leaves plugins, which no image has: name it there"]


def test_what_pip_would_take_is_held_against_the_constraints() -> None:
    taken = [{"metadata": {"name": name, "version": version}} for name, version in constraints(PROJECT).items()]
    asked: list[Sequence[str]] = []

    def pip(options: Sequence[str]) -> str:
        asked.append(options)
        newer = {"metadata": {"name": "New_Package", "version": "1.0"}}
        cpu_build = {"metadata": {"name": "torch", "version": "2.13.0+cpu"}}
        return json.dumps({"install": [*taken, cpu_build, newer] if len(asked) == 1 else taken})

    found = [str(fault) for fault in resolve_faults(PROJECT, pip)]
    assert found == [f"{HTTP}: pip takes new-package 1.0; pinned is no version"]
    assert [str(PROJECT / "requirements-gpu.txt") in options for options in asked] == [False, True]
    assert all(str(PROJECT / CONSTRAINTS[1]) in options for options in asked)


@pytest.mark.parametrize(
    ("path", "ignored"),
    [("core", False), ("core/x.py", False), ("core/__pycache__", True), ("core/a/b.pyc", True), ("tests", True),
     ("infra/docker", False), ("infra/docker/sbom.py", False), ("infra/machine", True)],
)  # fmt: skip
def test_ignore_patterns_are_read_as_docker_reads_them(path: str, ignored: bool) -> None:
    assert is_ignored(path, images.ignore_patterns(PROJECT / ".dockerignore")) is ignored


def test_instructions_keep_the_line_where_they_begin() -> None:
    read = instructions("# why\nARG A=1\n\nRUN one \\\n    # between\n    && two\nuser 5\n")
    assert [(one.line, one.word, one.rest.split()) for one in read] == [
        (2, "ARG", ["A=1"]), (4, "RUN", ["one", "&&", "two"]), (7, "USER", ["5"]),
    ]  # fmt: skip


class TestScriptsInTheImage:
    """What is run while an image is built, run over what is installed here."""

    def test_an_installation_that_fits_is_told_by_the_functions_of_its_role(self) -> None:
        command = [sys.executable, PROJECT / "infra/docker/check_image.py", PROJECT / "requirements.txt"]
        environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
        told = subprocess.run(command, cwd=PROJECT, env=environment, check=True, capture_output=True, text=True)
        assert "healthz" in told.stdout

    @pytest.mark.parametrize(
        ("line", "complaint"),
        [("numpy==0.0.1", "numpy is "), ("no-such-package==1", "no-such-package==1 is not installed")],
    )
    def test_an_installation_that_does_not_fit_fails_the_build(
        self, line: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "requirements.txt").write_text(f"{line}  # why\n")
        script = runpy.run_path(str(PROJECT / "infra/docker/check_image.py"))
        assert script["main"]([str(tmp_path / "requirements.txt")]) == 1
        assert complaint in capsys.readouterr().err

    def test_the_bill_of_materials_names_every_package_with_its_licence(self, tmp_path: Path) -> None:
        script = runpy.run_path(str(PROJECT / "infra/docker/sbom.py"))
        script["main"](str(tmp_path / "sbom.json"))
        document: dict[str, Any] = json.loads((tmp_path / "sbom.json").read_text())
        components = {one["purl"]: one for one in document["components"]}
        pinned = constraints(PROJECT)
        assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
        assert components[f"pkg:pypi/fastapi@{pinned['fastapi']}"]["licenses"] == [{"expression": "MIT"}]
        assert components[f"pkg:pypi/azure-storage-blob@{pinned['azure-storage-blob']}"]["licenses"]
        text = components[f"pkg:pypi/kubernetes-validate@{pinned['kubernetes-validate']}"]["licenses"]
        assert text == [{"license": {"name": "Apache"}}], "declared as text, and no identifier of SPDX's"
        assert len(components) == len(document["components"])
