"""The Compose files: they are without fault, what would break a start is found, and their commands do their work."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.storage.queue import QueueServiceClient

from core.bootstrap import CONTAINERS, TABLES, azure_storage
from core.jobs.messages import QUEUES
from core.settings import Settings
from infra.checks.compose import EXAMPLE, FILE, OVERLAY, check
from infra.checks.compose_documents import filled, load, merged
from infra.checks.images import PROJECT
from local.azurite import Azurite, free_ports

KEY = "YSBrZXkgb2Ygb3VyIG93biwgbm90IHRoZSBvbmUgdGhhdCBldmVyeWJvZHkga25vd3M="


def services(**variables: str) -> dict[str, Any]:
    """The services of compose.yaml with these variables told."""
    found: dict[str, Any] = filled(load(PROJECT / FILE), variables)["services"]
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """What the check reads, to be broken."""
    for name in ("infra/docker", "infra/compose"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    for name in (FILE, "package.json"):
        shutil.copy(PROJECT / name, tmp_path / name)
    options = "node_modules/azurite/dist/src/common/Environment.js"
    (tmp_path / options).parent.mkdir(parents=True)
    shutil.copy(PROJECT / options, tmp_path / options)
    return tmp_path


def test_the_files_are_without_fault() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        (FILE, "azurite:3.37.0", "azurite:3.36.0", "package.json pins 3.37.0"),
        (FILE, "--disableProductStyleUrl", "--noProductStyleUrl", "there is no option --noProductStyleUrl"),
        (FILE, "azurite:10001/", "azurite:20001/", "queues are said to be at"),
        (FILE, 'aliases: ["${FILES_HOST:-storage.localhost}"]', "aliases: [files.localhost]", "blobs are said to be at http://storage.localhost:10000"),
        (FILE, "infra/docker/gpu.Dockerfile", "infra/docker/cuda.Dockerfile", "infra/docker/cuda.Dockerfile"),
        (FILE, "TORCH_DEVICE: cpu", "TORCH_DEVISE: cpu", "nobody knows the setting TORCH_DEVISE"),
        (FILE, 'ALLOW_PRIVATE_CALLBACKS:-true', 'ALLOW_PRIVATE_CALLBACKS:-perhaps', "setting ALLOW_PRIVATE_CALLBACKS"),
        (FILE, "hostid: stemworks-worker", "hostid: stemworks-http", "share a host id"),
        (FILE, "    pull_policy: never # setup", "    build: {context: ., dockerfile: LICENSE} #", "is built twice"),
        (FILE, "    pull_policy: never\n    command", "    command", "receiver: nobody publishes stemworks-http"),
        (FILE, "    cap_add: [DAC_OVERRIDE]", "    cap_add: []", "azurite: may not write"),
        (FILE, "condition: service_healthy", "condition: service_well", "service_well"),
        (FILE, ":8080\"", ":80\"", "but the image serves 8080"),
        (FILE, "receiver.py:/receiver.py", "catcher.py:/receiver.py", "catcher.py"),
        (FILE, "volumes:\n  storage:\n", "volumes:\n", "the volume storage is not declared"),
        (OVERLAY, "    ports: !reset []\n    networks", "    networks", "the port 10000/tcp is published 2 times"),
        (OVERLAY, "    networks: !override\n      default: {}\n", "", "the name music.example.org leads to 2"),
        (OVERLAY, "AccountKey=${STORAGE_KEY:?", "AccountKey=b3RoZXI=${API_KEYS:?", "key of storage is not azurite's"),
        (OVERLAY, "caddy:2.10.2-alpine", "caddy", "has no version"),
        (EXAMPLE, "#STORAGE_KEY=", "#STORAGE_SECRET=", "STORAGE_KEY is not in infra/compose/env.example"),
        (EXAMPLE, "PORT=8080", "HTTP_PORT=8080", "HTTP_PORT is used by no file"),
    ],
)  # fmt: skip
def test_what_would_break_a_start_is_found(copy: Path, file: str, old: str, new: str, fault: str) -> None:
    text = (copy / file).read_text()
    assert old in text
    (copy / file).write_text(text.replace(old, new))
    found = [str(one) for one in check(copy)]
    assert any(fault in one for one in found), found


def test_one_file_lies_over_another_as_compose_has_it(tmp_path: Path) -> None:
    under = {"a": {"ports": ["1:1"], "volumes": ["x:/data", "y:/z:ro"], "k": {"one": 1}, "n": {"old": 1}}}
    over = tmp_path / "over.yaml"
    over.write_text('a: {ports: !reset [], volumes: ["w:/data", "v:/new"], k: {two: 2}, n: !override {new: 2}}')
    assert merged(under, load(over)) == {
        "a": {"volumes": ["y:/z:ro", "w:/data", "v:/new"], "k": {"one": 1, "two": 2}, "n": {"new": 2}}
    }


def test_variables_are_told_or_have_their_defaults() -> None:
    assert filled(["${A:-x}:${B:-y}", "${N:-1}", "v${N:-1}"], {"A": "told"}) == ["told:y", 1, "v1"]


def test_setup_makes_everything_that_the_host_waits_for(azurite: Azurite) -> None:
    command = services()["setup"]["command"]
    assert command[0] == "python"
    environment = {**os.environ, "AzureWebJobsStorage": azurite.connection_string}
    for _ in range(2):  # every start runs it
        subprocess.run([sys.executable, *command[1:]], env=environment, cwd=PROJECT, check=True, timeout=60)
    storage = azure_storage(Settings.read({"AzureWebJobsStorage": azurite.connection_string}))
    there = QueueServiceClient.from_connection_string(azurite.connection_string).list_queues()
    assert set(QUEUES) <= {queue.name for queue in there}
    assert [table.scan("nobody", "", "z", 1) for table in storage.tables.values()] == [[]] * len(TABLES)
    assert [storage.blobs.list_all(container, "nobody") for container in CONTAINERS] == [[]] * len(CONTAINERS)


@pytest.fixture(scope="module")
def own_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Azurite by the command and the connection string of the file, on other ports, with a key of our own."""
    folder = tmp_path_factory.mktemp("storage")
    told = services(STORAGE_KEY=KEY)
    ports = dict(zip(("blob", "queue", "table"), free_ports(3), strict=True))
    command = told["azurite"]["command"].replace("/data", str(folder)).replace("0.0.0.0", "127.0.0.1").split()[1:]
    connection = told["http"]["environment"]["AzureWebJobsStorage"]
    for usual, (service, port) in zip((10000, 10001, 10002), ports.items(), strict=True):
        command += [f"--{service}Port", str(port)]
        connection = connection.replace(f":{usual}/", f":{port}/")
    script = PROJECT / "node_modules/azurite/dist/src/azurite.js"
    environment = {**os.environ, **told["azurite"]["environment"]}
    with subprocess.Popen(["node", script, *command], env=environment, cwd=folder) as process:
        try:
            wait = PROJECT / "infra/machine/wait-for-storage.sh"
            subprocess.run(["sh", wait, *map(str, ports.values())], check=True, timeout=90)
            yield connection
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def names_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Docker's name server does: the names of the storage's container lead to it."""
    names = {"azurite", *services()["azurite"]["networks"]["default"]["aliases"]}
    lookup = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **more: Any) -> Any:
        return lookup("127.0.0.1" if host in names else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_links_to_files_lead_to_the_name_that_browsers_and_containers_share(own_storage: str) -> None:
    storage = azure_storage(Settings.read({"AzureWebJobsStorage": own_storage}))
    storage.ensure()
    storage.blobs.write(
        "audio-files", "a/b.wav", lambda: iter((b"music",)), size_bytes=5, content_type="audio/wav", metadata={}
    )
    link = storage.blobs.signed_url(
        "audio-files", "a/b.wav", expires_at=datetime.now(UTC) + timedelta(minutes=5), filename="b.wav"
    )
    assert re.match(r"http://storage\.localhost:\d+/devstoreaccount1/audio-files/a/b\.wav\?", link)
    assert httpx.get(link).content == b"music"
    upload = storage.blobs.signed_upload_url("uploads", "u", expires_at=datetime.now(UTC) + timedelta(minutes=5))
    assert httpx.put(upload, content=b"song", headers={"x-ms-blob-type": "BlockBlob"}).status_code == 201


def test_the_key_that_everybody_knows_opens_nothing_once_there_is_another(own_storage: str) -> None:
    everybody = services()["http"]["environment"]["AzureWebJobsStorage"]
    known = re.search(r"AccountKey=([^;]+);", everybody)
    assert known and KEY in own_storage
    settings = Settings.read({"AzureWebJobsStorage": own_storage.replace(KEY, known[1])})
    with pytest.raises(Exception, match="403"):
        azure_storage(settings).ensure()
