"""Configuration as the Functions host reads it: host.json, local.settings.json, the environment."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

HOST_JSON_OVERRIDE = "AzureFunctionsJobHost__"
TIMESPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d+)(?::(?P<seconds>\d+(?:\.\d+)?))?")


class SettingsError(ValueError):
    """A setting is missing or malformed."""


@dataclass(frozen=True)
class HostSettings:
    """What one app directory and one environment say together."""

    app_dir: Path
    values: Mapping[str, str]
    host_json: Mapping[str, Any]

    @property
    def host_id(self) -> str:
        """Separates the locks and receipts of apps that share a storage account."""
        return self.values.get("AzureFunctionsWebHost__hostid", "local").lower()

    def option(self, path: str, default: Any) -> Any:
        """A host.json value by its dotted path, or `default`; keys compare without case."""
        node: Any = self.host_json
        for key in path.split("."):
            if not isinstance(node, Mapping):
                return default
            node = node.get(matching_key(node, key))
        return default if node is None else node

    def seconds(self, path: str, default: float) -> float:
        """A host.json TimeSpan such as "00:00:02", in seconds."""
        value = self.option(path, None)
        return default if value is None else parse_timespan(str(value)).total_seconds()

    def resolve(self, text: str) -> str:
        """Replace every %SETTING%; raises SettingsError for one that is not set."""
        return re.sub(r"%([^%]+)%", lambda match: self._required(match[1]), text)

    def connection_string(self, name: str = "AzureWebJobsStorage") -> str:
        """A connection by its setting's name, which may leave out the prefix AzureWebJobs."""
        for key in (f"AzureWebJobs{name}", name):
            if value := self.values.get(key):
                return value
        raise SettingsError(f"the connection setting {name!r} is not set: add it to local.settings.json or export it")

    def is_disabled(self, function: str) -> bool:
        """AzureWebJobs.<Function>.Disabled, or its form with __ for shells that refuse dots."""
        keys = {f"azurewebjobs.{function}.disabled".lower(), f"azurewebjobs__{function}__disabled".lower()}
        return any(key.lower() in keys and value.lower() in ("true", "1") for key, value in self.values.items())

    def _required(self, name: str) -> str:
        if name not in self.values:
            raise SettingsError(f"the setting %{name}% is used by a function and not set")
        return self.values[name]


def load_settings(app_dir: Path, environ: Mapping[str, str]) -> HostSettings:
    """Read one app directory; `environ` wins over local.settings.json, and both over host.json."""
    values = {**read_local_settings(app_dir), **environ}
    host_json = read_json(app_dir / "host.json")
    if host_json.get("version") != "2.0":
        raise SettingsError(f'{app_dir / "host.json"} must say "version": "2.0"')
    for name, value in values.items():
        if name.lower().startswith(HOST_JSON_OVERRIDE.lower()):
            override(host_json, name[len(HOST_JSON_OVERRIDE) :].split("__"), value)
    return HostSettings(app_dir, values, host_json)


def read_local_settings(app_dir: Path) -> dict[str, str]:
    """`Values` of local.settings.json, or of the example that a fresh checkout has; all text, as in Azure."""
    for name in ("local.settings.json", "local.settings.example.json"):
        if (path := app_dir / name).exists():
            return {key: str(value) for key, value in read_json(path).get("Values", {}).items()}
    return {}


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: is {path.parent} a function app?") from None
    except json.JSONDecodeError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path} must hold a JSON object")
    return content


def override(tree: dict[str, Any], keys: list[str], value: str) -> None:
    """Set one host.json value by its path, with keys compared without case."""
    for key in keys[:-1]:
        name = matching_key(tree, key)
        if not isinstance(tree.get(name), dict):
            tree[name] = {}
        tree = tree[name]
    tree[matching_key(tree, keys[-1])] = value


def matching_key(tree: Mapping[str, Any], key: str) -> str:
    return next((name for name in tree if name.lower() == key.lower()), key)


def parse_timespan(text: str) -> timedelta:
    """A .NET TimeSpan: [days.]hours:minutes[:seconds[.fraction]]."""
    match = TIMESPAN.fullmatch(text.strip())
    if match is None:
        raise SettingsError(f'{text!r} is not a time span such as "00:00:02"')
    return timedelta(**{unit: float(number) for unit, number in match.groupdict().items() if number})
