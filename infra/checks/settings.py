"""Whether every app setting in Bicep is one that somebody reads, with a value that the app takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache

from tree_sitter import Node

from core.settings import Settings
from infra.checks.bicep import BicepFile, bicep_files, line_of, literal, properties, read, text_of, value_of
from infra.checks.fault import Fault
from infra.checks.names import ROOT

PLATFORM = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "the host reports by identity, without the key in the next one",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "where the host reports to",
    "AzureFunctionsWebHost__hostid": "the host's name in storage, where there is no site to take it from",
    "FUNCTIONS_ENABLE_DRAIN_ON_APP_STOPPING": "the host ends what runs before it stops",
    "FUNCTIONS_WORKER_PROCESS_COUNT": "how many Python processes the host starts",
    "FUNCTIONS_WORKER_RUNTIME": "which language the image's host starts",
    "HF_TOKEN": "the client of the model hub",
    "PYTHON_ENABLE_INIT_INDEXING": "the Python worker streams HTTP, up to 3.12",
}
"""Settings that others than ``core.settings`` read, and what they are for."""

NOT_ON_FLEX = {
    "FUNCTIONS_EXTENSION_VERSION": "Flex Consumption has one version",
    "FUNCTIONS_WORKER_RUNTIME": "functionAppConfig.runtime says it",
    "AzureWebJobsStorage": "the account has no keys, so it has no connection string",
}
"""Settings that a Flex Consumption app of ours must not have, and why."""

_HOST = "AzureFunctionsJobHost__"
_PARAMETER_FILES = ("infra/main.parameters.json", "infra/gpu.parameters.json")


def check() -> list[Fault]:
    """The faults of every file of ``infra/``, and of the objects of settings in the parameter files."""
    faults = [fault for path in bicep_files() for fault in faults_of(read(path))]
    for path in _PARAMETER_FILES:
        faults += parameter_faults((ROOT / path).read_text(encoding="utf-8"), path)
    return faults


def faults_of(file: BicepFile) -> list[Fault]:
    """The faults of one file."""
    faults = []
    for key, value, on_flex in settings_of(file):
        name = literal(key) or text_of(key).strip("'")
        if on_flex and name in NOT_ON_FLEX:
            faults.append(Fault(file.path, line_of(key), f"{name} must not be set: {NOT_ON_FLEX[name]}"))
        elif fault := setting_fault(name, literal(value)):
            faults.append(Fault(file.path, line_of(key), fault))
    return faults


def parameter_faults(text: str, path: str) -> list[Fault]:
    """The faults of parameters that are objects of settings, in a file of parameters of this ``text``."""
    faults = []
    for parameter, given in json.loads(text)["parameters"].items():
        if parameter.endswith("Settings"):
            for name, value in given["value"].items():
                line = next(at for at, row in enumerate(text.splitlines(), 1) if f'"{name}"' in row)
                faults += [Fault(path, line, fault)] if (fault := setting_fault(name, value)) else []
    return faults


def setting_fault(name: str, value: str | None) -> str | None:
    """What is wrong with a setting of this ``name`` and, where it is known, ``value``."""
    if name in PLATFORM or re.fullmatch(r"AzureWebJobs\.\w+\.Disabled", name):
        return None
    if name.startswith(_HOST):
        path = name.removeprefix(_HOST).split("__")
        return None if _in_host_json(path) else f"{name}: host.json has no {'.'.join(path)}"
    if name not in _names():
        return f"{name} is read by nobody: core/settings.py does not know it"
    if value is None or value.startswith(("@Microsoft.KeyVault", "${")):
        return None
    try:
        Settings.read({name: value})
    except ValueError as error:
        return str(error)
    return None


@cache
def _names() -> frozenset[str]:
    return frozenset(found.alias or name.upper() for name, found in Settings.model_fields.items())


def _in_host_json(path: list[str]) -> bool:
    content = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))
    for step in path:
        if not isinstance(content, dict) or step not in content:
            return False
        content = content[step]
    return True


def settings_of(file: BicepFile) -> Iterator[tuple[Node, Node | None, bool]]:
    """Name, value and whether it is of the Flex app: of all that is called settings, or is an app's configuration."""
    for resource in file.of("resource").values():
        value = value_of(resource.body, "properties")
        if resource.type == "Microsoft.Web/sites/config" and value is not None:
            yield from ((key, setting, True) for key, setting in _written(value))
    for name, variable in file.of("var").items():
        if name.lower().endswith("settings") and variable.value is not None:
            yield from ((key, setting, False) for key, setting in _written(variable.value))
    for module in file.of("module").values():
        params = value_of(module.body, "params")
        for name, (_, value) in (properties(params) if params is not None else {}).items():
            if name.endswith("Settings"):
                yield from ((key, setting, True) for key, setting in _written(value))


def _written(node: Node) -> Iterator[tuple[Node, Node | None]]:
    """The settings that an expression writes out: in objects, or arrays of name and value, in unions and choices."""
    if node.type == "object":
        given = properties(node)
        if "name" in given:
            yield given["name"][1], given.get("value", (None, None))[1]
        else:
            yield from given.values()
        return
    if node.type == "member_expression":
        return
    for child in node.named_children:
        if child.type != "lambda_expression":
            yield from _written(child)
