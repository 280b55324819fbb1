"""GitHub's workflows and dependabot's file: do they fit their schemas, and is what they name there?

What goes wrong with them shows only once they run: a target that was renamed, a script that a title of a pull request
can write into, a job without an end, a token that may do more than it needs.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.checks.fault import Fault

PROJECT = Path(__file__).resolve().parents[2]
WORKFLOWS = ".github/workflows"
DEPENDABOT = ".github/dependabot.yml"
OUR_PACKAGES = ("core", "infra", "local", "tests", "training", "bench")

_MANIFESTS = {
    "pip": ("requirements*.txt",),
    "npm": ("package.json",),
    "docker": ("*Dockerfile*",),
    "docker-compose": ("compose*.y*ml", "docker-compose*.y*ml"),
    "github-actions": (f"{WORKFLOWS}/*.yml",),
}
"""What dependabot looks for in a directory, by ecosystem."""

_LONGEST_MINUTES = 360
"""GitHub ends a job after this; a job that relies on it hangs for six hours first."""

_PINNED = re.compile(r"@(v\d+(\.\d+)*|[0-9a-f]{40})$")
_MAKE = re.compile(r"(?:^|[;&|]|\s)make\s+(?:-\S+\s+)*([a-z][\w-]*)", re.MULTILINE)
_MODULE = re.compile(r"python\S*\s+-m\s+([\w.]+)")
_PATH = re.compile(
    r"(?<![\w/.$-])(?:\./)?((?:\.github|core|docs|infra|local|tests|training|bench)/(?:\$\{\{.*?\}\}|[\w./*-])+)"
)
_SHOWS = re.compile(r"(?:^|[;&|({])\s*(?:echo|printf|cat|tee)\b")
_SHOWS_ALL = re.compile(r"(?:^|[;&|({])\s*(?:env|printenv|export -p|set)\s*(?:$|[;&|>])|\bset\s+-\w*x", re.MULTILINE)

Json = Any
"""What a file holds that fits its schema: those that do not are looked at no further."""

Found = tuple[int | None, str]
"""A line and what is wrong there."""


def check(project: Path = PROJECT) -> list[Fault]:
    """Faults of every workflow and of dependabot's file under ``project``."""
    files = sorted((project / WORKFLOWS).glob("*.y*ml"))
    faults = _schema_faults(project, "vendor.github-workflows", files)
    unfit = {fault.file for fault in faults}
    for path in files:
        if _relative(project, str(path)) not in unfit:
            faults += _workflow_faults(project, path)
    return faults + _dependabot_faults(project)


def _workflow_faults(project: Path, path: Path) -> list[Fault]:
    name, workflow = _relative(project, str(path)), _load(path.read_text())
    found = [*_top_level(workflow), *_names(project, path.read_text())]
    for job_name, job in workflow["jobs"].items():
        found += [(line, f"job {job_name}: {detail}") for line, detail in _job(workflow, job)]
    return [Fault(name, line, detail) for line, detail in found]


def _top_level(workflow: Json) -> Iterator[Found]:
    permissions = workflow.get("permissions")
    if permissions is None:
        yield None, "no permissions: without them a job's token may do whatever the repository's settings say"
    elif isinstance(permissions, str):
        yield None, f"permissions: {permissions}: name each, such as contents: read"
    # YAML 1.1, and so PyYAML, reads the key `on` as true
    if "pull_request_target" in (workflow.get("on") or workflow.get(True) or {}):
        yield None, "pull_request_target runs strangers' code with this repository's secrets: use pull_request"


def _job(workflow: Json, job: Json) -> Iterator[Found]:
    if "uses" not in job:
        minutes = job.get("timeout-minutes")
        if not isinstance(minutes, int) or not 0 < minutes < _LONGEST_MINUTES:
            yield job.line, f"timeout-minutes must be a number below {_LONGEST_MINUTES}"
    if job.get("permissions") in ("write-all", "read-all"):
        yield job.line, f"permissions: {job['permissions']}: name each"
    for step in job.get("steps") or []:
        outer = {**(workflow.get("env") or {}), **(job.get("env") or {})}
        for detail in _step(step, {**outer, **(step.get("env") or {})}):
            yield step.line, detail


def _step(step: Json, environment: Json) -> Iterator[str]:
    uses, run = step.get("uses", ""), step.get("run", "")
    if uses and not uses.startswith("./") and not _PINNED.search(uses):
        yield f"{uses}: name a version (@v4) or the full SHA of a commit"
    if uses.startswith("actions/checkout@") and (step.get("with") or {}).get("persist-credentials") is not False:
        yield "checkout leaves its token to every later step: persist-credentials: false"
    for expression in re.findall(r"\$\{\{.*?\}\}", run, re.DOTALL):
        yield f"{expression} is pasted into the script before any shell quotes it: hand it over by env"
    secret = [name for name, value in environment.items() if "secrets." in str(value)]
    if secret and _SHOWS_ALL.search(run):
        yield f"the script shows all of its environment, {', '.join(secret)} among it"
    for name in secret:
        if any(_SHOWS.search(line) and re.search(rf"\$\{{?{name}\b", line) for line in run.splitlines()):
            yield f"the script shows the secret {name}"


def _names(project: Path, text: str) -> Iterator[Found]:
    """Targets, modules and files that are named anywhere but in comments, and are not there."""
    targets = set(re.findall(r"^([a-z][\w-]*):", (project / "Makefile").read_text(), re.MULTILINE))
    for number, line in enumerate(text.splitlines(), 1):
        code = re.sub(r"(^|\s)#.*", "", line)
        for target in _MAKE.findall(code):
            if target not in targets:
                yield number, f"the Makefile has no target {target}"
        for module in _MODULE.findall(code):
            if module.partition(".")[0] in OUR_PACKAGES and not _is_module(project, module):
                yield number, f"there is no module {module}"
        for path in _PATH.findall(code):
            if not _is_there(project, path):
                yield number, f"there is no {path}"


def _is_module(project: Path, module: str) -> bool:
    path = project / module.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def _is_there(project: Path, path: str) -> bool:
    """Whether a file, or a pattern of any, leads somewhere; an expression stands for whatever fits."""
    pattern = re.sub(r"\$\{\{.*?\}\}", "*", path).rstrip("/").removesuffix("/**")
    return any(project.glob(pattern))


def _dependabot_faults(project: Path) -> list[Fault]:
    path = project / DEPENDABOT
    if not path.exists():
        return [Fault(DEPENDABOT, None, "not there: nothing tells when a pin is out of date")]
    faults = _schema_faults(project, "vendor.dependabot", [path])
    if faults:
        return faults
    for update in _load(path.read_text())["updates"]:
        ecosystem, directory = update["package-ecosystem"], update.get("directory", "")
        folder = project / directory.lstrip("/")
        if not any(any(folder.glob(pattern)) for pattern in _MANIFESTS.get(ecosystem, ("*",))):
            faults.append(Fault(DEPENDABOT, update.line, f"{directory} has nothing of {ecosystem}"))
    return faults


def _schema_faults(project: Path, schema: str, files: list[Path]) -> list[Fault]:
    """What does not fit a schema that check-jsonschema brings along."""
    if not files:
        return [Fault(WORKFLOWS, None, "not there")]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, "--output-format", "json"]
    ended = subprocess.run([*command, *map(str, files)], capture_output=True, text=True, check=False)
    report = json.loads(ended.stdout)
    faults = [Fault(_relative(project, error["filename"]), None, "no YAML") for error in report.get("parse_errors", [])]
    for error in report["errors"]:
        cause = error.get("best_deep_match", error)
        faults.append(Fault(_relative(project, error["filename"]), None, f"{cause['path']}: {cause['message']}"))
    return [*dict.fromkeys(faults)]  # of several errors, one may be the cause


def _relative(project: Path, file: str) -> str:
    return str(Path(file).resolve().relative_to(project.resolve()))


class _Lined(dict[str, Any]):
    """A mapping of a YAML file that knows the line where it begins."""

    line: int


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML ships no types
    """Reads mappings with their lines."""

    def construct_lined(self, node: yaml.MappingNode) -> Iterator[_Lined]:
        """As yaml constructs them itself: first the empty mapping, for those that refer to it, then what is in it."""
        mapping = _Lined()
        mapping.line = node.start_mark.line + 1
        yield mapping
        mapping.update(self.construct_mapping(node))


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_lined)


def _load(text: str) -> Any:
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
