"""``python -m infra.checks.functions``: the functions of each role with their triggers, as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

Functions = Mapping[str, Mapping[str, Any]]
"""Each function's trigger by its name."""

ROLES = ("http", "gpu", "all")


@cache
def functions_of_roles() -> Mapping[str, Functions]:
    """The functions by role, asked in a process of its own: only one package can bind blobs in a process."""
    command = [sys.executable, "-m", __name__]
    root = Path(__file__).parents[2]
    printed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    roles: dict[str, Functions] = json.loads(printed)
    return roles


def _functions(role: str) -> Functions:
    import azure.functions as func

    import function_app

    app = func.FunctionApp()
    for module in function_app.BLUEPRINTS[role]:
        app.register_functions(module.blueprint)
    triggers = ((function.get_function_name(), function.get_trigger()) for function in app.get_functions())
    return {name: trigger.get_dict_repr() for name, trigger in triggers if name and trigger}


if __name__ == "__main__":
    print(json.dumps({role: _functions(role) for role in ROLES}, default=str))
