"""CPU time of a cold start: importing ``function_app`` against importing the libraries that it stands on."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.report import Goal, Section, Table

PROJECT = Path(__file__).resolve().parent.parent
ROUNDS = 15
LIMIT = 1.25
HEAVY = ("torch", "scipy", "librosa")
_LIBRARIES = "import fastapi, azure.functions, azure.storage.blob, azure.storage.queue, azure.data.tables"
_APP = "import function_app"
_FIRST_REQUEST = "import function_app; from functions.http.functions import application; application()"
WORK = {
    "the libraries alone": _LIBRARIES,
    "`function_app`, role `http`": _APP,
    "the same, ready for the first request": _FIRST_REQUEST,
}
_PROGRAM = """
import json, sys, time
started = time.process_time()
exec(sys.argv[1])
spent = time.process_time() - started
print(json.dumps({"seconds": spent, "modules": sorted(sys.modules)}))
"""


def measure() -> Section:
    """Import each in fresh processes, in turn."""
    for statements in WORK.values():
        imported(statements)  # writes the bytecode
    rounds = [{name: imported(statements) for name, statements in WORK.items()} for _ in range(ROUNDS)]
    libraries, app, first_request = WORK
    heavy = {name for found in rounds for name in found[first_request]["modules"] if name in HEAVY}
    rows = [_row(name, rounds, libraries) for name in WORK]
    return Section(
        "Cold start of the http role",
        f"CPU time of importing in a fresh process with its bytecode on disk, the interpreter's own start left out; "
        f"medians of {ROUNDS} rounds, each of which measures all three in turn. The libraries are FastAPI, "
        "azure.functions and the three storage SDKs; the app imports the SDKs at its first request, not before.",
        [Table(("import", "CPU ms", "ratio to the libraries", "modules"), rows)],
        [
            Goal(f"the app takes at most {LIMIT} times its libraries", _ratio(rounds, app, libraries), LIMIT),
            Goal(f"none of {', '.join(HEAVY)} is imported", len(heavy), 0),
        ],
    )


def imported(statements: str) -> dict[str, Any]:
    """The CPU seconds that the statements took, and the modules that were there then."""
    environ = {**os.environ, "STEMWORKS_ROLE": "http", "AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    command = [sys.executable, "-c", _PROGRAM, statements]
    done = subprocess.run(command, env=environ, cwd=PROJECT, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _ratio(rounds: list[dict[str, Any]], name: str, to: str) -> float:
    return float(statistics.median(each[name]["seconds"] / each[to]["seconds"] for each in rounds))


def _row(name: str, rounds: list[dict[str, Any]], libraries: str) -> list[str]:
    milliseconds = statistics.median(each[name]["seconds"] for each in rounds) * 1000
    modules = len(rounds[0][name]["modules"])
    return [name, f"{milliseconds:.0f}", f"{_ratio(rounds, name, libraries):.2f}", str(modules)]
