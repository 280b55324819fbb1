"""The runbook: what it names is there, and what can be run against a local stack runs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.queue import QueueServiceClient, TextBase64EncodePolicy

from core.bootstrap import build, memory_storage
from core.jobs.messages import CALLBACKS
from core.settings import Settings
from functions.http.app import create_app
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage
from tests.in_process import call
from tests.integration.local_host import wait_for

PROJECT = Path(__file__).resolve().parents[2]
RUNBOOK = (PROJECT / "docs" / "runbook.md").read_text()
KEY = "a-key-of-the-runbook"
PLACES = {"$JOB": "{job_id}", "$LETTER": "{dead_letter_id}", "$id": "{dead_letter_id}"}
COMMAND = re.compile(r"\bapi\b([^|\n]*)\"\$URL(/[^\"?]*)")
ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w{}./-]+)")


def blocks(info: str) -> list[str]:
    """The fenced blocks with this info string, in their order."""
    return re.findall(rf"^```{info}\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)


def routes_named() -> set[tuple[str, str]]:
    """Method and path of every route that the text or a command names."""
    named = set(ROUTE.findall(RUNBOOK))
    for options, path in COMMAND.findall(RUNBOOK):
        for variable, parameter in PLACES.items():
            path = path.replace(variable, parameter)
        request = re.search(r"--request (\w+)", options)
        named.add((request[1] if request else "POST" if "--data" in options else "GET", path))
    return named


@pytest.fixture(scope="module")
def app() -> Any:
    services = build(Settings.read({}), memory_storage())
    return create_app(lambda: services)


def test_every_route_that_is_named_is_one_of_the_api(app: Any) -> None:
    known = {(method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations}
    named = {(method, path.split("?")[0]) for method, path in routes_named()}
    assert len(named) > 8
    assert named - known == set()


def test_every_setting_that_is_named_is_one_of_the_app_or_of_what_deploys_it() -> None:
    known = {field.alias or name.upper() for name, field in Settings.model_fields.items()}
    places = [*(PROJECT / "infra").rglob("*"), *(PROJECT / ".github").rglob("*")]
    files = [path for path in places if path.is_file() and "__pycache__" not in path.parts]
    of_infra = " ".join(path.read_text(errors="replace") for path in files)
    named = set(re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", RUNBOOK))
    assert len(named) > 20
    assert {name for name in named - known if not re.search(rf"\b{name}\b", of_infra)} == set()


def test_every_metric_that_is_named_is_shown() -> None:
    services = build(Settings.read({}), memory_storage())
    shown = call(services, "GET", "/metrics").text
    named = set(re.findall(r"\bstemworks_[a-z_]+[a-z]\b", RUNBOOK))
    assert named
    assert {name for name in named if f"\n{name}" not in shown} == set()


def test_every_file_that_is_named_is_there() -> None:
    named = set(re.findall(r"`((?:infra|docs|\.github)/[\w./-]+)`", RUNBOOK))
    assert named
    assert {name for name in named if not (PROJECT / name).exists()} == set()


def test_every_alert_has_its_section() -> None:
    alerts = re.findall(r"name: '([a-z-]+)'\s+description:", (PROJECT / "infra/modules/alerts.bicep").read_text())
    sections = re.findall(r"^### (.+)$", RUNBOOK.partition("## What each alert means")[2], re.MULTILINE)
    assert alerts
    assert [*alerts, "The budget"] == sections


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl", "jq", "openssl"))), reason="needs curl, jq and openssl")
def test_every_command_that_is_marked_runs_against_a_local_stack() -> None:
    """As on a bad night: nobody takes jobs of models, and something else wrote into a queue."""
    with Azurite() as azurite:
        prepare_storage(azurite.connection_string)
        settings = {"API_KEYS": KEY, "STEMWORKS_ROLE": "http"}
        with HostProcess(azurite.connection_string, settings=settings) as host:
            job, letter = unclaimed_job(host.base_url), dead_letter(host.base_url, azurite)
            environment = {"URL": host.base_url, "STEMWORKS_API_KEY": KEY, "JOB": job, "LETTER": letter}
            script = "\n".join(["set -euo pipefail", *blocks("sh run")])
            ended = subprocess.run(
                ["bash", "-c", script], env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = ended.stdout
    assert '{"status":"ready","storage":"connected"}' in said
    assert 'stemworks_unfinished_jobs{kind="generation",status="queued"} 1.0' in said
    assert f'"dead_letter_id": "{letter}"' in said
    assert '"canceled by the client"\n"queued"' in said
    assert '"status": "queued"' in said


def unclaimed_job(base_url: str) -> str:
    body = {"target_stems": ["bass"], "engine": "musicgen", "parameters": {"duration_seconds": 1}}
    answer = httpx.post(f"{base_url}/v1/generations", json=body, headers={"X-API-Key": KEY})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def dead_letter(base_url: str, azurite: Azurite) -> str:
    """The letter that becomes of a message that no function of ours can read."""
    service = QueueServiceClient.from_connection_string(azurite.connection_string)
    queue = service.get_queue_client(CALLBACKS, message_encode_policy=TextBase64EncodePolicy())
    queue.send_message('{"jobs": 1}')

    def letters() -> list[dict[str, Any]]:
        answer = httpx.get(f"{base_url}/v1/dead-letters", headers={"X-API-Key": KEY})
        return list(answer.json()["dead_letters"])

    return str(wait_for(letters)[0]["dead_letter_id"])
