"""Live chords and the progress of jobs over WebSockets: the seed's own words, and the official client."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from azure.messaging.webpubsubclient.models import WebPubSubDataType, WebPubSubProtocolType
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.api import Api
from tests.e2e.conftest import Installation
from tests.integration.local_host import wait_for
from tests.integration.web_pubsub_host import LiveClient
from tests.music import SAMPLE_RATE, guitar

CHORDS = ["C", "G", "Am", "F"]
MUSIC = guitar(CHORDS, tempo_bpm=100, bars=4)
PIECE = 4096
PCM_RATE = 16_000


def wav() -> bytes:
    return file(SAMPLE_RATE, "WAV", "PCM_16")


def opus() -> bytes:
    return file(48_000, "OGG", "OPUS")


def pcm() -> bytes:
    mono = soxr.resample(MUSIC.samples.mean(axis=0), SAMPLE_RATE, PCM_RATE)
    return bytes((np.clip(mono, -1, 1) * 32767).astype("<i2").tobytes())


def file(rate: int, kind: str, subtype: str) -> bytes:
    content = io.BytesIO()
    soundfile.write(content, soxr.resample(MUSIC.samples.T, SAMPLE_RATE, rate), rate, format=kind, subtype=subtype)
    return content.getvalue()


def pieces(content: bytes) -> list[bytes]:
    return [content[start : start + PIECE] for start in range(0, len(content), PIECE)]


def in_base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def raw(content: bytes) -> str:
    """Each byte as the character of its number."""
    return content.decode("latin-1")


@pytest.fixture
def socket(installation: Installation) -> Iterator[ClientConnection]:
    address = installation.base_url.replace("http", "ws", 1) + "/ws"
    headers = {"X-Api-Key": installation.api_key} if installation.api_key else {}
    try:
        with connect(address, additional_headers=headers) as connection:
            yield connection
    except InvalidStatus as refusal:
        if refusal.response.status_code != 426:
            raise
        pytest.skip("this host carries no WebSockets; in Azure, Web PubSub does")


@pytest.fixture
def negotiated(api: Api) -> Callable[..., str]:
    def address(*job_ids: str) -> str:
        answer = api.http.get("/v1/live/negotiate", params={"job_id": list(job_ids)})
        if answer.status_code == 503:
            pytest.skip("this installation has no Web PubSub")
        answer.raise_for_status()
        return str(answer.json()["url"])

    return address


@pytest.mark.parametrize("written", [raw, in_base64])
@pytest.mark.parametrize(
    ("audio", "said"), [(wav, {}), (opus, {}), (pcm, {"sample_rate": PCM_RATE})], ids=["wav", "opus", "pcm"]
)
def test_each_chunk_is_acknowledged_and_chords_come_as_they_become_known(
    socket: ClientConnection, audio: Callable[[], bytes], said: dict[str, Any], written: Callable[[bytes], str]
) -> None:
    answers: list[dict[str, Any]] = []
    for piece in pieces(audio()):
        socket.send(json.dumps({"data": written(piece), **said}))
        answers.append(json.loads(socket.recv(10)))
        while answers[-1] != {"ack": True}:
            answers.append(json.loads(socket.recv(10)))
    socket.send('{"type": "stop"}')
    while answers[-1] != {"type": "stopped"}:
        answers.append(json.loads(socket.recv(10)))
    assert answers.count({"ack": True}) == len(pieces(audio()))
    assert [chord for answer in answers for chord in answer.get("chords", ())] == CHORDS
    last_chord = max(number for number, answer in enumerate(answers) if "chords" in answer)
    assert {"ack": True} in answers[last_chord:]  # not only at the end


def test_a_heartbeat_comes_from_time_to_time(socket: ClientConnection) -> None:
    assert json.loads(socket.recv(20)) == {"type": "ping"}


def test_rubbish_is_answered_and_the_next_chunk_is_heard(socket: ClientConnection) -> None:
    for rubbish in ("{", "[]", '{"data": 5}', '{"data": "€"}', b"\xff\xfe"):
        socket.send(rubbish)
        socket.recv(10)
    socket.send('{"type": "reset"}')
    while json.loads(socket.recv(10)) != {"type": "reset"}:
        continue
    socket.send(json.dumps({"data": in_base64(bytes(1000)), "sample_rate": PCM_RATE}))
    assert json.loads(socket.recv(10)) == {"ack": True}


def test_a_watched_job_is_told_from_its_start_to_its_end(api: Api, socket: ClientConnection) -> None:
    job_id = api.generate("bass", "drums").json()["job_id"]
    socket.send(json.dumps({"type": "watch", "job_id": job_id}))
    told = [json.loads(socket.recv(30))]
    while told[-1].get("type") != "job" or not told[-1]["job"]["finished_at"]:
        told.append(json.loads(socket.recv(30)))
    assert told[-1] == {"type": "job", "job": api.job(job_id)}


@pytest.mark.parametrize("protocol", list(WebPubSubProtocolType))
def test_the_official_client_plays_and_is_told_the_chords(
    negotiated: Callable[..., str], protocol: WebPubSubProtocolType
) -> None:
    content = pieces(opus())
    with LiveClient(negotiated(), protocol) as live:
        for piece in content:
            live.client.send_event("message", {"data": in_base64(piece)}, WebPubSubDataType.JSON)
        live.client.send_event("message", {"type": "stop"}, WebPubSubDataType.JSON)
        wait_for(lambda: {"type": "stopped"} in live.from_server)
    assert live.from_server.count({"ack": True}) == len(content)
    assert [chord for answer in live.from_server for chord in answer.get("chords", ())] == CHORDS


def test_the_official_client_hears_of_a_job_from_its_beginning_to_its_end(
    api: Api, negotiated: Callable[..., str]
) -> None:
    stems = ("piano", "synth", "guitar", "vocals", "drums", "bass", "other")
    answer = api.generate(*stems, parameters={"duration_seconds": 240})
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    with LiveClient(negotiated(job_id)) as live, LiveClient(negotiated()) as stranger:
        ended = api.wait_for_end(job_id)
        wait_for(lambda: live.from_groups and live.from_groups[-1][1]["job"]["finished_at"])
    assert {group for group, _ in live.from_groups} == {f"job-{job_id}"}
    told = [message["job"] for _, message in live.from_groups]
    assert told[-1] == ended and ended["status"] == "completed"
    assert "processing" in {job["status"] for job in told}
    progress = [job["progress"] for job in told]
    assert progress == sorted(progress) and progress[-1] == 1.0
    assert stranger.from_groups == []
