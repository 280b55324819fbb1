"""The names that the code and the infrastructure share, written into ``infra/names.json`` from the code.

Bicep reads that file with ``loadJsonContent``; what is written by hand elsewhere is checked against it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.checks.fault import Fault
from infra.checks.functions import Functions, functions_of_roles

ROOT = Path(__file__).parents[2]
FILE = Path("infra/names.json")

Names = dict[str, Any]


def names_of_the_code() -> Names:
    """Queues, containers and tables, and for each role its functions by their trigger.

    ``containers`` are those that the code makes where they are missing; ``model_container`` it only reads.
    """
    from core.bootstrap import CONTAINERS, TABLES
    from core.engines.checkpoints import CONTAINER as MODELS
    from core.jobs.messages import POISON_SUFFIX, QUEUES
    from core.settings import Settings

    return {
        "queues": list(QUEUES),
        "poison_queues": [f"{queue}{POISON_SUFFIX}" for queue in QUEUES],
        "containers": list(CONTAINERS),
        "model_container": MODELS,
        "tables": list(TABLES),
        "web_pubsub_hub": Settings.model_fields["web_pubsub_hub"].default,
        "roles": {role: _listening(functions) for role, functions in functions_of_roles().items()},
    }


def _listening(functions: Functions) -> Names:
    """What functions listen to: queues, and by the function's name containers, schedules and routes."""
    found: Names = {"queues": [], "blob_functions": {}, "timer_functions": {}, "http_functions": {}}
    for name, trigger in functions.items():
        match trigger["type"]:
            case "queueTrigger":
                found["queues"].append(trigger["queueName"])
            case "blobTrigger":
                found["blob_functions"][name] = trigger["path"].partition("/")[0]
            case "timerTrigger":
                found["timer_functions"][name] = trigger["schedule"]
            case "httpTrigger":
                found["http_functions"][name] = trigger["route"]
    return found


def written(names: Names) -> str:
    """The text of ``infra/names.json`` for these names."""
    return json.dumps(names, indent=2) + "\n"


def write() -> None:
    """Write ``infra/names.json`` anew."""
    (ROOT / FILE).write_text(written(names_of_the_code()), encoding="utf-8")


def check() -> list[Fault]:
    """Whether ``infra/names.json`` says what the code says."""
    path = ROOT / FILE
    return compare(path.read_text(encoding="utf-8") if path.exists() else "", names_of_the_code())


def compare(text: str, names: Names) -> list[Fault]:
    """The first line at which the file's ``text`` and what it should be part, if they do."""
    there, wanted = text.splitlines(), written(names).splitlines()
    if there == wanted:
        return []
    line = next((at for at, pair in enumerate(zip(there, wanted, strict=False)) if pair[0] != pair[1]), len(there))
    has = there[line].strip() if line < len(there) else "the end"
    needs = wanted[line].strip() if line < len(wanted) else "the end"
    detail = f"{has} where the code says {needs}: python -m infra.checks names --write"
    return [Fault(str(FILE), line + 1, detail)]
