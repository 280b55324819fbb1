"""What Azure tells of a resource group, by the command line ``az``."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

VERSIONS = {
    "Microsoft.App": "2026-07-01",
    "Microsoft.Web": "2025-05-01",
    "Microsoft.Storage": "2026-09-01",
    "Microsoft.EventGrid": "2025-02-15",
}
"""Version of each resource provider's API: those that the SDKs of ``requirements-infra.txt`` speak."""

_TIMEOUT_SECONDS = 60


class AzureError(Exception):
    """``az`` could not tell; in one line, why."""


class ResourceGroup:
    """The resources of one group.

    Args:
        subscription: its id; that of ``az account show`` if ``None``.
    """

    def __init__(self, name: str, subscription: str | None = None) -> None:
        program = shutil.which("az")
        if program is None:
            raise AzureError("az, the Azure CLI, is not on the PATH")
        self.name = name
        self._program = program
        # az puts the current subscription's id where it finds these braces
        self._scope = f"/subscriptions/{subscription or '{subscriptionId}'}/resourceGroups/{name}/providers/"

    def all(self, path: str) -> list[dict[str, Any]]:
        """Every resource under ``path``, such as ``Microsoft.App/containerApps``."""
        return list(self.get(path).get("value", []))

    def get(self, path: str, method: str = "get") -> dict[str, Any]:
        """One document, as Azure Resource Manager has it; ``AzureError`` if there is none."""
        version = VERSIONS[path.partition("/")[0]]
        url = f"{self._scope}{path}?api-version={version}"
        command = [self._program, "rest", "--method", method, "--url", url, "--output", "json", "--only-show-errors"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise AzureError(f"az did not answer within {_TIMEOUT_SECONDS} s") from None
        if ended.returncode != 0:
            raise AzureError(_first_line(ended.stderr) or f"az ended with status {ended.returncode}")
        return _document(ended.stdout)


def _document(output: str) -> dict[str, Any]:
    try:
        document = json.loads(output or "{}")
    except ValueError:
        raise AzureError(f"az answered something else than JSON: {output[:100]}") from None
    return document if isinstance(document, dict) else {"value": document}


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
