"""Whether azd finds what it needs: parameters, the services' files and tags, and what the hooks read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from infra.checks.bicep import BicepFile, Declaration, bicep_files, literal, read, text_of
from infra.checks.fault import Fault
from infra.checks.names import ROOT
from infra.checks.references import allowed_values

FROM_AZD = frozenset(
    {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_PRINCIPAL_ID", "AZURE_SUBSCRIPTION_ID", "SERVICE_GPU_IMAGE_NAME"}
)
"""What azd itself puts into its environment."""

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<has_default>=(?P<default>[^}]*))?\}")
_HOOKS = ("infra/hooks/preprovision.sh", "infra/hooks/postdeploy.sh")


def check() -> list[Fault]:
    """The faults of ``azure.yaml``, of both parameter files and of the hooks."""
    main = read(ROOT / "infra/main.bicep")
    drawn = _drawn((ROOT / _HOOKS[0]).read_text(encoding="utf-8"))
    faults = service_faults((ROOT / "azure.yaml").read_text(encoding="utf-8"), _tags(), ROOT)
    for name, known in (("main", drawn), ("gpu", frozenset(main.of("output")))):
        path = f"infra/{name}.parameters.json"
        text = (ROOT / path).read_text(encoding="utf-8")
        faults += parameter_faults(read(ROOT / f"infra/{name}.bicep"), text, path, known | FROM_AZD)
    faults += hook_faults((ROOT / _HOOKS[1]).read_text(encoding="utf-8"), _HOOKS[1], main)
    image = (ROOT / "infra/docker/gpu.Dockerfile").read_text(encoding="utf-8")
    return faults + port_faults((ROOT / "infra/gpu.parameters.json").read_text(encoding="utf-8"), image)


def parameter_faults(file: BicepFile, text: str, path: str, environment: frozenset[str]) -> list[Fault]:
    """What a file of parameters lacks, or gives that ``file`` does not take; azd can fill in ``environment``."""
    given: dict[str, Any] = json.loads(text)["parameters"]
    params = file.of("param")
    faults = [
        Fault(path, None, f"{name} of {file.path} is not given")
        for name, param in params.items()
        if param.value is None and name not in given
    ]
    for name, entry in given.items():
        line = _line(text, f'"{name}"')
        if name not in params:
            faults.append(Fault(path, line, f"{file.path} has no parameter {name}"))
        else:
            faults += [Fault(path, line, fault) for fault in _value_faults(file, params[name], entry["value"])]
            faults += [Fault(path, line, fault) for fault in _unfilled(entry["value"], environment)]
    return faults


def _value_faults(file: BicepFile, param: Declaration, value: Any) -> Iterator[str]:
    """What of a value, or of the default in it, does not fit its parameter."""
    if not isinstance(value, str):
        if {"object": dict, "array": list}.get(param.type) is not type(value):
            yield f"{param.name} is {param.type}, not {type(value).__name__}"
        return
    match = _VARIABLE.fullmatch(value)
    default = match["default"] if match else value
    if match and not match["has_default"]:
        return
    allowed = allowed_values(param, file)
    if allowed is not None and default not in allowed:
        yield f"{param.name} must be one of {', '.join(allowed)}, not {default!r}"
    if (param.type == "int" and not default.isdecimal()) or (param.type == "bool" and default not in ("true", "false")):
        yield f"{param.name} is {param.type}, not {default!r}"
    if param.value is not None and _plain(param) not in (None, default):
        yield f"{param.name} is {default!r} here and {_plain(param)!r} in {file.path}"


def _plain(param: Declaration) -> str | None:
    """A parameter's default, where it is a literal."""
    if param.value is None or param.value.type not in ("string", "number", "boolean"):
        return None
    return text_of(param.value) if param.value.type != "string" else literal(param.value)


def _unfilled(value: Any, environment: frozenset[str]) -> Iterator[str]:
    """Variables without a default that nothing puts into azd's environment."""
    for match in _VARIABLE.finditer(value if isinstance(value, str) else ""):
        if not match["has_default"] and match["name"] not in environment:
            yield f"{match['name']} has no default, and neither azd, a hook nor an output of main.bicep gives it"


def port_faults(parameters: str, image: str) -> list[Fault]:
    """Whether the app is asked on the port that its image exposes."""
    port = re.search(r"\{GPU_PORT=(\d+)\}", parameters)
    exposed = re.search(r"^EXPOSE (\d+)", image, re.MULTILINE)
    if port is None or exposed is None or port[1] != exposed[1]:
        line = _line(parameters, '"port"')
        detail = f"GPU_PORT is {port and port[1]}, the image exposes {exposed and exposed[1]}"
        return [Fault("infra/gpu.parameters.json", line, detail)]
    return []


def hook_faults(text: str, path: str, main: BicepFile) -> list[Fault]:
    """Names that the hook asks azd for and that are no output of ``main``."""
    known = FROM_AZD | main.of("output").keys()
    return [
        Fault(path, number, f"{name} is no output of {main.path}")
        for number, row in enumerate(text.splitlines(), 1)
        for name in re.findall(r"\$\(value (\w+)\)", row)
        if name not in known
    ]


def _drawn(hook: str) -> frozenset[str]:
    """What the preprovision hook makes sure of."""
    return frozenset(re.findall(r"^set_once (\w+)", hook, re.MULTILINE))


def _tags() -> frozenset[str]:
    """The services that some resource says it is, by the tag that azd looks for."""
    sources = (path.read_text(encoding="utf-8") for path in bicep_files())
    return frozenset(name for source in sources for name in re.findall(r"'azd-service-name': '(\w+)'", source))


def service_faults(text: str, tags: frozenset[str], root: Path) -> list[Fault]:
    """What ``azure.yaml`` names and is not there; ``tags`` are the services that resources say they are."""
    project: dict[str, Any] = yaml.safe_load(text)
    path, faults = "azure.yaml", []
    for name, service in project["services"].items():
        if name not in tags:
            faults.append(Fault(path, _line(text, f"{name}:"), f"no resource has the tag azd-service-name: {name}"))
        files = [service.get("docker", {}).get("path")]
        if module := service.get("module"):
            files += [f"infra/{module}.bicep", f"infra/{module}.parameters.json"]
        faults += [
            Fault(path, _line(text, f"{name}:"), f"service {name} needs {file}, which is not there")
            for file in filter(None, files)
            if not (root / file).is_file()
        ]
    for name, hook in project.get("hooks", {}).items():
        if not os.access(root / hook["run"], os.X_OK):
            faults.append(Fault(path, _line(text, f"{name}:"), f"{hook['run']} is not there, or cannot be executed"))
    return faults


def _line(text: str, part: str) -> int | None:
    return next((number for number, row in enumerate(text.splitlines(), 1) if row.strip().startswith(part)), None)
