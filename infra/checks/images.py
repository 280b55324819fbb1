"""The images: what they copy and install, the settings they bring, and that nothing but the app is in them.

``python -m infra.checks.images --resolve`` asks pip, over the network, whether what each image installs resolves, and
to the versions that stand in the constraints.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from packaging.utils import canonicalize_name

from core.settings import Settings
from infra.checks.fault import Fault
from infra.checks.pins import REQUIREMENTS, conflict_faults, pin_faults, pins, resolve_faults

PROJECT = Path(__file__).resolve().parents[2]
APP = "/home/site/wwwroot"
PORT = 8080

EXPLAINED = {
    "ASPNETCORE_URLS": "where the Functions host listens",
    "AZURITE_ACCOUNTS": "Azurite: its accounts and their keys",
    "AzureWebJobsScriptRoot": "where the Functions host finds the app",
    "AzureFunctionsWebHost__hostid": "what the instances of one app share: locks of timers, receipts of blobs",
    "FUNCTIONS_CORE_TOOLS_TELEMETRY_OPTOUT": "Core Tools: tell nobody",
    "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "the host: take nothing new once it is told to stop",
    "FUNCTIONS_WORKER_PROCESS_COUNT": "the host: one worker process, since each loads its own models",
    "FUNCTIONS_WORKER_RUNTIME": "the host: python",
    "HF_HOME": "the hub's client: where its cache is",
    "HF_TOKEN": "the hub's client: opens models that are gated",
    "HOME": "where the host keeps its ring of keys",
    "NVIDIA_DRIVER_CAPABILITIES": "NVIDIA's container runtime: which of the driver's libraries to bring in",
    "OMP_WAIT_POLICY": "torch's and numpy's threads: sleep while they wait",
    "PATH": "where programs are",
    "PYTHON_ENABLE_INIT_INDEXING": "the worker: needed for streaming HTTP up to Python 3.12",
    "SITE": "Caddyfile: the public name of the machine",
    "VIRTUAL_ENV": "Core Tools: which Python runs the worker",
}
"""Settings of what runs the app; all others must be ``core.settings``'."""

_HOST_OVERRIDE = "AzureFunctionsJobHost__"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its continued lines joined, and the line where it begins."""

    line: int
    word: str
    rest: str


def check(project: Path = PROJECT) -> list[Fault]:
    """Everything that can be told of the images without a daemon and without a network."""
    faults = [*ignore_faults(project), *pin_faults(project)]
    for file in REQUIREMENTS:
        read = instructions((project / file).read_text(encoding="utf-8"))
        for subject in (copy_faults, setting_faults, user_faults, argument_faults):
            faults += (Fault(file, line, detail) for line, detail in subject(read, project))
        faults += conflict_faults(file, project)
    return faults + hadolint_faults(project)


def instructions(dockerfile: str) -> list[Instruction]:
    """The instructions of a Dockerfile, without its comments."""
    found: list[Instruction] = []
    text, start = "", 0
    for number, line in enumerate(dockerfile.splitlines(), 1):
        if line.lstrip().startswith("#") or not (text or line.strip()):
            continue
        start = start if text else number
        text += line.rstrip("\\") + " "
        if not line.endswith("\\"):
            word, _, rest = text.strip().partition(" ")
            found.append(Instruction(start, word.upper(), rest.strip()))
            text = ""
    return found


def copied(read: Iterable[Instruction]) -> Iterator[tuple[int, str]]:
    """Line and source of everything that is copied out of the repository."""
    for one in read:
        words = one.rest.split()
        if one.word in ("COPY", "ADD") and not words[0].startswith("--from"):
            yield from ((one.line, source) for source in words[:-1] if not source.startswith("--"))


def copy_faults(read: Sequence[Instruction], project: Path) -> Iterator[tuple[int, str]]:
    """Sources that are missing, or that the builder never sees."""
    patterns = ignore_patterns(project / ".dockerignore")
    for line, source in copied(read):
        if not (project / source).exists():
            yield line, f"copies {source}, which is not there"
        elif is_ignored(source, patterns):
            yield line, f"copies {source}, which .dockerignore keeps from the builder"


def setting_faults(read: Sequence[Instruction], project: Path) -> Iterator[tuple[int, str]]:
    """Variables that mean nothing to anybody, and values that the app would not start with."""
    environment = environment_of(read)
    for name, (line, _) in environment.items():
        if not is_known(name):
            yield line, f"sets {name}, which neither core.settings nor the host knows"
    if fault := settings_fault({name: value for name, (_, value) in environment.items()}):
        yield min(line for line, _ in environment.values()), fault


def environment_of(read: Iterable[Instruction]) -> dict[str, tuple[int, str]]:
    """What ``ENV`` sets: by name, the line of the instruction and the value."""
    pairs = ((one.line, pair.partition("=")) for one in read if one.word == "ENV" for pair in one.rest.split())
    return {name: (line, value) for line, (name, _, value) in pairs}


def is_known(name: str) -> bool:
    """Whether a variable means something to the app, or to what runs it."""
    return name in setting_names() or name in EXPLAINED or name.startswith(_HOST_OVERRIDE)


@cache
def setting_names() -> frozenset[str]:
    """The environment variables that ``core.settings`` reads."""
    return frozenset(field.alias or name.upper() for name, field in Settings.model_fields.items())


def settings_fault(environment: Mapping[str, str]) -> str | None:
    """Why the app would not start with these settings, or ``None``."""
    try:
        Settings.read(environment)
    except ValueError as error:
        return str(error)
    return None


def user_faults(read: Sequence[Instruction], project: Path) -> Iterator[tuple[int, str]]:
    """An image runs as a numbered user who is not root, on one port that needs no rights, and says how it is."""
    last = {one.word: one for one in read}
    user = last.get("USER")
    if user is None or not user.rest.isdigit() or user.rest == "0":
        yield (user.line if user else read[-1].line), "the last USER must be a number other than 0"
    line, urls = environment_of(read).get("ASPNETCORE_URLS", (1, ""))
    if urls != f"http://+:{PORT}" or last.get("EXPOSE", Instruction(1, "EXPOSE", "")).rest != str(PORT):
        yield line, f"ASPNETCORE_URLS and EXPOSE must both say port {PORT}"
    check = last.get("HEALTHCHECK")
    if check is None or str(PORT) not in check.rest or "/healthz" not in check.rest:
        yield (check.line if check else read[-1].line), f"HEALTHCHECK must ask for /healthz on port {PORT}"
    if "CMD" not in last or not last["CMD"].rest.startswith("["):
        yield read[-1].line, "CMD must be a list: a shell in between keeps SIGTERM to itself"


def argument_faults(read: Sequence[Instruction], project: Path) -> Iterator[tuple[int, str]]:
    """Versions in ``ARG`` that are not those of the code and of the constraints."""
    import core

    pinned = pins(project / "constraints.txt")
    for one in read:
        name, _, value = one.rest.partition("=")
        package, is_pinned, version = value.partition("==")
        if one.word == "ARG" and is_pinned and pinned.get(canonicalize_name(package)) != version:
            yield one.line, f"{value} is not what constraints.txt pins"
        if one.word == "ARG" and name == "VERSION" and value != core.__version__:
            yield one.line, f"VERSION is {value}, the code is {core.__version__}"


def ignore_patterns(path: Path) -> list[str]:
    """The patterns of an ignore file."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def is_ignored(path: str, patterns: Iterable[str]) -> bool:
    """Whether Docker leaves ``path`` out: the last pattern that fits it, or a folder it is in, decides."""
    parts = path.strip("/").split("/")
    folders = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    ignored = False
    for pattern in patterns:
        wanted = pattern.removeprefix("!")
        if wanted.startswith("**/"):
            fits = any(fnmatchcase(part, wanted.removeprefix("**/")) for part in parts)
        else:
            same_depth = (folder for folder in folders if folder.count("/") == wanted.count("/"))
            fits = any(fnmatchcase(folder, wanted) for folder in same_depth)
        ignored = not pattern.startswith("!") if fits else ignored
    return ignored


def ignore_faults(project: Path) -> Iterator[Fault]:
    """The images and ``func azure functionapp publish`` must ship the same code: .dockerignore as .funcignore."""
    docker, functions = (ignore_patterns(project / name) for name in (".dockerignore", ".funcignore"))
    for entry in sorted(project.iterdir()):
        if entry.name.startswith("."):
            continue
        is_code = entry.suffix == ".py" or entry.name == "host.json" or any(entry.glob("*.py"))
        published = is_code and not any(fnmatchcase(entry.name, pattern) for pattern in functions)
        if published and is_ignored(entry.name, docker):
            yield Fault(".funcignore", None, f"leaves {entry.name}, which no image has: name it there")
        if is_code and not published and not is_ignored(entry.name, docker):
            yield Fault(".dockerignore", None, f"lets {entry.name} through, which .funcignore keeps back")


def hadolint_faults(project: Path) -> list[Fault]:
    """What hadolint has against the Dockerfiles; none is ignored. Nothing where hadolint is not installed."""
    program = Path(sys.executable).parent / "hadolint"
    if not program.exists():
        return []
    done = subprocess.run([program, "--format", "json", *REQUIREMENTS], cwd=project, capture_output=True, text=True)
    return [Fault(one["file"], one["line"], f"{one['code']}: {one['message']}") for one in json.loads(done.stdout)]


if __name__ == "__main__":
    problems = list(resolve_faults(PROJECT)) if "--resolve" in sys.argv else check()
    for problem in problems:
        print(problem)
    sys.exit(bool(problems))
