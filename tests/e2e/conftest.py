"""The installation under test: a stack of our own, one under ``func start`` where there is one, or STEMWORKS_URL."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from local.azurite import Azurite, free_ports
from local.stack import PROJECT, HostProcess, prepare_storage
from tests.e2e.api import Api
from tests.integration.local_host import wait_for

SECRET = "whsec_ZW5kIHRvIGVuZCB0ZXN0cyBzaWduIHdpdGggdGhpcw=="
SETTINGS = {
    "WEBHOOK_SECRETS": SECRET,
    "ALLOW_PRIVATE_CALLBACKS": "true",
    "PROGRESS_INTERVAL_SECONDS": "0.1",
}


@dataclass
class Installation:
    """Where the API is; ``secret`` is what it signs with, if we know."""

    base_url: str
    secret: str | None = None
    api_key: str | None = None


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    """Storage of these tests' own: their host lives as long as the session, and would take other tests' messages."""
    with Azurite() as emulator:
        yield emulator


KINDS = ["url"] if "STEMWORKS_URL" in os.environ else ["local", "func"]


@pytest.fixture(scope="session", params=KINDS)
def installation(request: pytest.FixtureRequest, azurite: Azurite) -> Iterator[Installation]:
    if request.param == "url":
        yield Installation(os.environ["STEMWORKS_URL"], api_key=os.environ.get("STEMWORKS_API_KEY"))
    elif request.param == "func":
        if shutil.which("func") is None:
            pytest.skip("func (Azure Functions Core Tools) is not on the PATH")
        yield from _under_func(azurite)
    else:
        prepare_storage(azurite.connection_string)
        with HostProcess(azurite.connection_string, settings=SETTINGS) as host:
            yield Installation(host.base_url, SECRET)


@pytest.fixture
def api(installation: Installation) -> Api:
    return Api(installation.base_url, installation.api_key)


def _under_func(azurite: Azurite) -> Iterator[Installation]:
    """``func start`` on the project as it is; it reads local.settings.json, so one is made if there is none."""
    settings = PROJECT / "local.settings.json"
    made = not settings.exists()
    if made:
        shutil.copy(PROJECT / "local.settings.example.json", settings)
    (port,) = free_ports(1)
    environ = {**os.environ, **_values(settings), **SETTINGS, "AzureWebJobsStorage": azurite.connection_string}
    process = subprocess.Popen(["func", "start", "--port", str(port)], cwd=PROJECT, env=environ)
    try:
        base_url = f"http://127.0.0.1:{port}"
        wait_for(lambda: _answers(base_url), seconds=120)
        yield Installation(base_url, SECRET)
    finally:
        process.terminate()
        process.wait(60)
        if made:
            settings.unlink()


def _values(settings: Path) -> dict[str, str]:
    return dict(json.loads(settings.read_text())["Values"])


def _answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/healthz", timeout=5).is_success
    except httpx.HTTPError:
        return False
