"""Direct uploads as a client sees them: the API for the beginning and the end, the address for the bytes."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import httpx
import pytest
from fastapi import FastAPI

from core.files.upload import UploadedAudio
from core.files.uploads import Uploads
from core.settings import Settings
from functions.http import errors
from functions.http.uploads import router
from local.azurite import Azurite
from tests.contract.conftest import azure_account

SONG = random.Random(1).randbytes(20_000_000)
NEW = {"filename": "song.flac", "size_bytes": len(SONG)}


def probe(file: BinaryIO, filename: str) -> UploadedAudio:
    return UploadedAudio(container="flac", codec="flac", sample_rate=48000, channels=2, duration_seconds=60)


class Api:
    """The upload routes over Azurite."""

    def __init__(self, azurite: Azurite) -> None:
        storage = azure_account(azurite).storage
        uploads = Uploads(
            storage.tables["uploads"], storage.blobs, probe, lambda: datetime.now(UTC), lambda: "u-1",
            Settings.read({}),
        )  # fmt: skip
        storage.blobs.remove_all("uploads", "u-1/")
        self._app = FastAPI()
        errors.install(self._app)
        self._app.include_router(router)
        self._app.state.services = lambda: SimpleNamespace(uploads=uploads)

    def __call__(self, method: str, path: str, **options: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app), base_url="http://test") as client:
                return await client.request(method, path, **options)

        return asyncio.run(send())


@pytest.fixture
def api(azurite: Azurite) -> Api:
    return Api(azurite)


def encoded(number: int) -> str:
    return base64.b64encode(f"{number:05}".encode()).decode()


def test_a_file_goes_to_storage_in_one_request(api: Api) -> None:
    begun = api("POST", "/v1/uploads", json=NEW | {"sha256": hashlib.sha256(SONG).hexdigest().upper()})
    assert (begun.status_code, begun.headers["location"]) == (201, "/v1/uploads/u-1")
    assert begun.headers["cache-control"] == "no-store"
    upload = begun.json()
    assert (upload["status"], upload["received"]) == ("open", {"size_bytes": 0, "committed": False, "blocks": []})
    sent = httpx.put(upload["url"], content=SONG, headers=upload["put_headers"])
    assert sent.status_code == 201
    assert api("GET", "/v1/uploads/u-1").json()["received"]["size_bytes"] == len(SONG)
    done = api("POST", upload["links"]["complete"])
    assert done.status_code == 200
    assert done.json()["audio"]["sample_rate"] == 48000
    assert {done.json()[name] for name in ("url", "url_expires_at", "received")} == {None}
    assert done.json() == api("GET", "/v1/uploads/u-1").json()


def test_an_upload_in_blocks_goes_on_after_a_break(api: Api) -> None:
    upload = api("POST", "/v1/uploads", json=NEW).json()
    size = upload["block_size_bytes"]
    parts = {encoded(start // size): SONG[start : start + size] for start in range(0, len(SONG), size)}
    first, *_ = parts

    def send(url: str, block_id: str) -> None:
        assert httpx.put(f"{url}&comp=block&blockid={block_id.replace('=', '%3D')}", content=parts[block_id]).is_success

    send(upload["url"], first)
    resumed = api("GET", "/v1/uploads/u-1").json()
    assert resumed["received"] == {
        "size_bytes": size, "committed": False, "blocks": [{"block_id": first, "size_bytes": size}],
    }  # fmt: skip
    early = api("POST", "/v1/uploads/u-1/complete")
    assert early.status_code == 409
    assert early.json()["type"] == "urn:stemworks:problem:upload-incomplete"
    assert f"1 blocks with {size} of {len(SONG)} bytes" in early.json()["detail"]
    for block_id in parts:
        if block_id not in {block["block_id"] for block in resumed["received"]["blocks"]}:
            send(resumed["url"], block_id)
    blocks = "".join(f"<Latest>{block_id}</Latest>" for block_id in parts)
    assert httpx.put(f"{resumed['url']}&comp=blocklist", content=f"<BlockList>{blocks}</BlockList>").is_success
    done = api("POST", "/v1/uploads/u-1/complete", json={"sha256": hashlib.sha256(SONG).hexdigest()})
    assert done.json()["status"] == "complete"


def commands() -> list[str]:
    """The shell commands that the documentation of ``POST /v1/uploads`` shows."""
    document = FastAPI(routes=router.routes).openapi()["paths"]["/v1/uploads"]["post"]["description"]
    return [block.rstrip() for block in re.findall(r"(?:^    .*\n?)+", document, re.MULTILINE)]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("command", commands(), ids=["in one request", "in blocks"])
def test_the_commands_in_the_documentation_send_the_file(api: Api, tmp_path: Path, command: str) -> None:
    (tmp_path / "song.flac").write_bytes(SONG)
    url = api("POST", "/v1/uploads", json=NEW).json()["url"]
    subprocess.run(["sh", "-ec", command], cwd=tmp_path, env=os.environ | {"url": url}, check=True)
    done = api("POST", "/v1/uploads/u-1/complete", json={"sha256": hashlib.sha256(SONG).hexdigest()})
    assert done.status_code == 200, done.text


def test_a_removed_upload_is_not_found(api: Api) -> None:
    api("POST", "/v1/uploads", json=NEW)
    assert api("DELETE", "/v1/uploads/u-1").status_code == 204
    assert api("GET", "/v1/uploads/u-1").json()["type"] == "urn:stemworks:problem:upload-not-found"
    assert api("DELETE", "/v1/uploads/u-1").status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"filename": ""}, "/filename"),
        ({"filename": "a\nb.wav"}, "/filename"),
        ({"size_bytes": 0}, "/size_bytes"),
        ({"size_bytes": 5 * 2**30 + 1}, "/size_bytes"),
        ({"sha256": "abc"}, "/sha256"),
        ({"name": "song.wav"}, "/name"),
    ],
)
def test_a_field_that_does_not_fit_is_named(api: Api, change: dict[str, Any], pointer: str) -> None:
    answer = api("POST", "/v1/uploads", json=NEW | change)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
