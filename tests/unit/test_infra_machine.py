"""The units for one machine: what they name exists, and systemd can read them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from infra.checks.machine import FOLDER, check, unit_faults

PROJECT = Path(__file__).resolve().parents[2]
UNITS = sorted([*(PROJECT / FOLDER).glob("*.service"), *(PROJECT / FOLDER).glob("*.timer")])


def details(name: str, text: str) -> list[str]:
    return [detail for _, detail in unit_faults(name, text, PROJECT)]


def test_the_units_and_scripts_are_without_fault() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ExecStart=/opt/stemworks/infra/machine/nothing.sh", "nothing.sh"),
        ("After=stemworks-database.service", "stemworks-database.service"),
        ("Environment=STEMWORKS_ROLL=all", "STEMWORKS_ROLL"),
        ("ExecStart=node azurite.js --blobPort 10000 --queuePort 10001 --tablePort 10002 --fast", "--fast"),
        ("ExecStart=node azurite.js --blobPort 20000 --queuePort 10001 --tablePort 10002", "10000"),
    ],
)
def test_what_a_unit_names_and_nobody_has_is_a_fault(line: str, fault: str) -> None:
    assert any(fault in detail for detail in details("stemworks.service", line))


def test_a_timer_without_its_service_is_a_fault() -> None:
    assert details("stemworks-cleaning.timer", "") == ["starts a service of its own name, which there is not"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_the_unit_without_a_complaint(unit: Path, tmp_path: Path) -> None:
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for other in UNITS:
        shutil.copy(other, units)
    for target in Path("/lib/systemd/system").glob("*.target"):
        shutil.copy(target, units)
    for program in ("usr/bin/node", "usr/bin/env", "bin/sh", "opt/stemworks/.venv/bin/python"):
        path = tmp_path / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    command = ["systemd-analyze", "verify", "--man=no", f"--root={tmp_path}", unit.name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
