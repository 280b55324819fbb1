"""``python -m infra.checks.triggers``: what the functions of each role listen to, as JSON."""

from __future__ import annotations

import json
from typing import Any

import azure.functions as func

import function_app

ROLES = ("http", "gpu", "all")


def triggers(role: str) -> dict[str, Any]:
    """What the functions of a role listen to: queues, and by the function's name containers, schedules and routes."""
    app = func.FunctionApp()
    for module in function_app.BLUEPRINTS[role]:
        app.register_functions(module.blueprint)
    found: dict[str, Any] = {"queues": [], "blob_functions": {}, "timer_functions": {}, "http_functions": {}}
    for function in app.get_functions():
        trigger = function.get_trigger()
        assert trigger is not None, function
        binding = trigger.get_dict_repr()
        match binding["type"]:
            case "queueTrigger":
                found["queues"].append(binding["queueName"])
            case "blobTrigger":
                found["blob_functions"][function.get_function_name()] = binding["path"].partition("/")[0]
            case "timerTrigger":
                found["timer_functions"][function.get_function_name()] = binding["schedule"]
            case "httpTrigger":
                found["http_functions"][function.get_function_name()] = binding["route"]
    return found


if __name__ == "__main__":
    print(json.dumps({role: triggers(role) for role in ROLES}))
