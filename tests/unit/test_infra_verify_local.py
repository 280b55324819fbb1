"""The check of an installation, against one: the local stack."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from infra.verify.__main__ import main
from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage

KEY = "a-key-for-the-check"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """An installation that asks for a key, over storage of its own."""
    with Azurite() as azurite:
        prepare_storage(azurite.connection_string)
        with HostProcess(azurite.connection_string, settings={"API_KEYS": KEY}) as host:
            yield host.base_url


def test_a_stack_that_is_well_passes_with_a_job_and_a_job_for_the_gpu(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([address, "--api-key", KEY, "--quick", "--gpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ok             API keys: asked for" in lines
    assert "ok             end-to-end tests: 1 passed" in lines
    assert any(line.startswith("ok             GPU wakes up: a worker took a job after") for line in lines)
    assert not [line for line in lines if line.startswith("missing")]


def test_with_a_wrong_key_the_job_fails_and_so_does_the_check(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([address, "--api-key", "wrong", "--quick", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["address"] == address
    missing = [finding["subject"] for finding in document["findings"] if finding["state"] == "missing"]
    assert missing[0] == "engines"
    assert missing[1].startswith("end-to-end test test_the_files_are_what_the_job_says")
