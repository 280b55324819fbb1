"""One machine without containers: systemd's units, what they run, and the settings that they read."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from infra.checks.azurite import PORTS, option_faults
from infra.checks.fault import Fault
from infra.checks.images import PROJECT, is_known, settings_fault

FOLDER = "infra/machine"
ENVIRONMENT = f"{FOLDER}/stemworks.env.example"
INSTALLED = "/opt/stemworks/"
"""Where the units expect a checkout of this repository."""

_MADE_BY_SETUP = (".venv/", "node_modules/")
_OF_THE_SCRIPTS = ("STEMWORKS_STOP", "STEMWORKS_START", "STEMWORKS_KEEP")
_EXAMPLES = {"WEBHOOK_SECRETS": "whsec_c2VjcmV0"}


def check(project: Path = PROJECT) -> list[Fault]:
    """Everything that can be told of the units without starting them."""
    faults = [*environment_faults(project)]
    for file in sorted((project / FOLDER).iterdir()):
        name = f"{FOLDER}/{file.name}"
        if file.suffix in (".service", ".timer"):
            text = file.read_text(encoding="utf-8")
            faults += (Fault(name, line, detail) for line, detail in unit_faults(file.name, text, project))
        elif file.suffix == ".sh":
            faults += (Fault(name, None, detail) for detail in script_faults(file))
    return faults


def unit_faults(name: str, text: str, project: Path) -> Iterator[tuple[int | None, str]]:
    """Files, units, settings and options that a unit names and that there are not."""
    for number, line in enumerate(text.splitlines(), 1):
        for path in re.findall(rf"{INSTALLED}([\w./-]+)", line):
            if not path.startswith(_MADE_BY_SETUP) and not (project / path).exists():
                yield number, f"names {INSTALLED}{path}, which is not in the repository"
        for unit in re.findall(r"stemworks[\w-]*\.(?:service|timer)", line.partition("#")[0]):
            if not (project / FOLDER / unit).exists():
                yield number, f"names {unit}, which there is not"
        found = re.match(r'Environment="?([A-Za-z_]+)=', line)
        if found and not is_known(found[1]) and found[1] not in _OF_THE_SCRIPTS:
            yield number, f"nobody knows the setting {found[1]}"
    if name.endswith(".timer") and not (project / FOLDER / name.replace(".timer", ".service")).exists():
        yield None, "starts a service of its own name, which there is not"
    if "azurite.js" in text:
        yield from ((None, f"azurite: {detail}") for detail in azurite_faults(text, project))


def azurite_faults(text: str, project: Path) -> Iterator[str]:
    """Options that Azurite does not know, and ports that are not the usual ones."""
    yield from option_faults(text, project)
    for kind, port in PORTS.items():
        if f"--{kind}Port {port}" not in text:
            yield f"{kind}s must be on port {port}"


def environment_faults(project: Path) -> Iterator[Fault]:
    """Settings that mean nothing to anybody, and values that the app would not start with."""
    lines = (project / ENVIRONMENT).read_text(encoding="utf-8").splitlines()
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        name, is_set, value = line.partition("=")
        if is_set and not line.startswith("#"):
            values[name] = value or _EXAMPLES.get(name, "")
            if not is_known(name):
                yield Fault(ENVIRONMENT, number, f"nobody knows the setting {name}")
    if fault := settings_fault(values):
        yield Fault(ENVIRONMENT, None, fault)


def script_faults(script: Path) -> Iterator[str]:
    """Syntax that a POSIX shell does not take, as far as dash knows."""
    shell = shutil.which("dash") or "/bin/sh"
    done = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    if done.returncode:
        yield done.stderr.strip()
    if not script.read_text(encoding="utf-8").startswith("#!/bin/sh\n"):
        yield "must begin with #!/bin/sh"
