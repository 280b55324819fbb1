"""Live messages and progress through the Web PubSub emulator of the local host, with Microsoft's own client and SDK."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import numpy as np
import pytest
from azure.messaging.webpubsubclient.models import (
    OpenClientError,
    SendMessageError,
    WebPubSubDataType,
    WebPubSubProtocolType,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from core.bootstrap import build, memory_storage
from core.generation.request import GenerationRequest
from core.jobs.model import JobStatus
from core.jobs.view import job_view
from core.settings import Settings
from core.web_pubsub.announcer import ChannelAnnouncer
from core.web_pubsub.signature import signature
from tests.integration.local_host import wait_for
from tests.integration.web_pubsub_host import LiveClient, LiveHost, live_host
from tests.music import guitar

__all__ = ["live_host"]

PLAIN = WebPubSubProtocolType.JSON
AUDIO = base64.b64encode(bytes(1000)).decode()
JSON_PROTOCOL = "json.webpubsub.azure.v1"
RELIABLE_PROTOCOL = "json.reliable.webpubsub.azure.v1"


@pytest.mark.parametrize("protocol", [PLAIN, WebPubSubProtocolType.JSON_RELIABLE])
def test_audio_sent_as_an_event_is_acknowledged_and_answered_with_chords(
    live_host: LiveHost, protocol: WebPubSubProtocolType
) -> None:
    with LiveClient(live_host.negotiate()["url"], protocol) as live:
        live.client.send_event("message", {"data": AUDIO}, WebPubSubDataType.JSON)
        assert live.wait_for_answers(2) == [{"ack": True, "messages": 1}, {"chords": ["C", "G"]}]


def test_a_guitar_is_heard_through_the_whole_path() -> None:
    music = guitar(chords=("C", "G"), tempo_bpm=60, bars=2)
    pcm = (np.clip(music.samples.mean(axis=0), -1, 1) * 32767).astype("<i2").tobytes()
    piece = music.sample_rate  # bytes: half a second of 16 bits
    said = {"format": "pcm", "sample_rate": music.sample_rate}
    with LiveHost(LIVE_STATE="real") as host, LiveClient(host.negotiate()["url"]) as live:
        for start in range(0, len(pcm), piece):
            data = base64.b64encode(pcm[start : start + piece]).decode()
            live.client.send_event("message", {"data": data, **said}, WebPubSubDataType.JSON)
        live.client.send_event("message", {"type": "stop"}, WebPubSubDataType.JSON)
        wait_for(lambda: {"type": "stopped"} in live.from_server)
    heard = [chord for answer in live.from_server for chord in answer.get("chords", ())]
    assert [chord for chord in heard if chord != "N"] == ["C", "G"]


def test_a_conversation_goes_on_from_event_to_event(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as live:
        for _ in range(20):
            live.client.send_event("message", {}, WebPubSubDataType.JSON)
        assert [answer["messages"] for answer in live.wait_for_answers(20)] == list(range(1, 21))


def test_two_clients_have_a_conversation_each(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as one, LiveClient(live_host.negotiate()["url"]) as other:
        one.client.send_event("message", {}, WebPubSubDataType.JSON)
        other.client.send_event("message", {}, WebPubSubDataType.JSON)
        assert one.wait_for_answers(1) == other.wait_for_answers(1) == [{"ack": True, "messages": 1}]


def test_text_and_bytes_reach_the_app_as_what_they_are(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as live:
        live.client.send_event("message", "nonsense", WebPubSubDataType.TEXT)
        live.client.send_event("message", memoryview(b"\xff\x00"), WebPubSubDataType.BINARY)
        assert live.wait_for_answers(2) == [
            {"error": "8 of str are not JSON"},
            {"error": "2 of bytes are not JSON"},
        ]


def test_an_event_of_another_name_is_answered_with_an_error(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as live:
        live.client.send_event("dance", {}, WebPubSubDataType.JSON)
        assert live.wait_for_answers(1)[0]["error"]["type"] == "invalid-request"


def test_a_client_without_a_subprotocol_talks_in_bare_messages(live_host: LiveHost) -> None:
    with connect(live_host.negotiate()["url"]) as socket:
        socket.send(json.dumps({}))
        assert json.loads(socket.recv(10)) == {"ack": True, "messages": 1}


def test_progress_reaches_the_clients_that_asked_for_the_job(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate("mine")["url"]) as live, LiveClient(live_host.negotiate()["url"]) as other:
        for progress in (0.5, 1.0):
            live_host.channel.send_to_group("job-mine", {"type": "job", "progress": progress})
            live_host.channel.send_to_group("job-theirs", {"type": "job", "progress": progress})
        live_host.channel.send_to_connection(other.connection_id, {"the": "end"})
        wait_for(lambda: len(live.from_groups) >= 2 and other.from_server)
        assert live.from_groups == [("job-mine", {"type": "job", "progress": progress}) for progress in (0.5, 1.0)]
        assert other.from_groups == []


def test_a_job_s_progress_and_its_end_reach_who_asked_for_it(live_host: LiveHost) -> None:
    services = build(Settings.read({}), memory_storage())
    job = services.generations.planner.plan(GenerationRequest(target_stems=("bass",)), job_id="real-one")
    running = job.evolve(status=JobStatus.PROCESSING, progress=0.5, revision=1)
    with LiveClient(live_host.negotiate(job.job_id)["url"]) as live:
        announcer = ChannelAnnouncer(live_host.channel)
        announcer.announce(running)
        wait_for(lambda: live.from_groups)
        ended = running.evolve(status=JobStatus.COMPLETED, progress=1.0, revision=2)
        announcer.announce(ended)
        wait_for(lambda: len(live.from_groups) == 2)
        assert live.from_groups == [
            ("job-real-one", {"type": "job", "job": job_view(state)}) for state in (running, ended)
        ]


def test_negotiating_says_where_for_how_long_and_in_which_groups(live_host: LiveHost) -> None:
    negotiated = live_host.negotiate("a", "b", "a")
    assert negotiated["groups"] == ["job-a", "job-b"]
    assert negotiated["hub"] == "stemworks"
    assert negotiated["url"].startswith(live_host.ws_url + "/client/hubs/stemworks?access_token=")
    assert negotiated["subprotocol"] == JSON_PROTOCOL
    token = jwt.decode(negotiated["url"].partition("access_token=")[2], options={"verify_signature": False})
    assert token["exp"] - token["iat"] == 3600 and "role" not in token


@pytest.mark.parametrize("job_ids", [["x"] * 17, ["no spaces"], [""]])
def test_too_many_jobs_and_impossible_ids_are_refused(live_host: LiveHost, job_ids: list[str]) -> None:
    answer = live_host.http.get("/v1/live/negotiate", params={"job_id": job_ids})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


def test_a_client_may_neither_join_a_group_nor_send_to_one(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate("mine")["url"]) as live:
        with pytest.raises(SendMessageError) as joining:
            live.client._join_group_core("job-theirs")
        assert joining.value.error_detail is not None and joining.value.error_detail.name == "Forbidden"
        with pytest.raises(SendMessageError):
            live.client.send_to_group("job-mine", {"fake": True}, WebPubSubDataType.JSON)


def test_with_roles_clients_join_leave_and_send_to_groups(live_host: LiveHost) -> None:
    roles = ["webpubsub.joinLeaveGroup.room", "webpubsub.sendToGroup"]
    with LiveClient(address(live_host, roles=roles)) as one, LiveClient(address(live_host, roles=roles)) as other:
        one.client.join_group("room")
        other.client.send_to_group("room", "first", WebPubSubDataType.TEXT)
        wait_for(lambda: one.from_groups == [("room", "first")])
        one.client.send_to_group("room", {"second": 2}, WebPubSubDataType.JSON, no_echo=True)
        one.client.leave_group("room")
        other.client.send_to_group("room", "third", WebPubSubDataType.TEXT)
        assert one.from_groups == [("room", "first")]


# Who may come in


def test_a_token_of_another_key_or_hub_or_one_that_expired_is_refused(live_host: LiveHost) -> None:
    refused = [
        address(live_host, key="another key of at least 32 bytes, as HS256 wants"),
        address(live_host, audience=live_host.process.base_url + "/client/hubs/other"),
        address(live_host, lifetime_seconds=-10),
        live_host.ws_url + "/client/hubs/stemworks",
        live_host.ws_url + "/client/hubs/stemworks?access_token=nonsense",
    ]
    for url in refused:
        with pytest.raises(InvalidStatus, match="401"):
            connect(url)
    with pytest.raises(OpenClientError):
        LiveClient(refused[0]).client.open()


def test_the_rest_api_asks_for_a_token_of_its_own(live_host: LiveHost) -> None:
    path = "/api/hubs/stemworks/groups/g/:send"
    foreign = bearer_for(live_host, "/api/hubs/stemworks/groups/other/:send")
    for headers in ({}, {"Authorization": "Bearer nonsense"}, foreign):
        assert live_host.http.post(path, json={}, headers=headers).status_code == 401
    assert live_host.http.post(path, json={}, headers=bearer_for(live_host, path)).status_code == 202


def test_the_service_is_welcome_and_others_are_not(live_host: LiveHost) -> None:
    def greet(origin: str) -> httpx.Response:
        return live_host.http.options("/v1/live/events", headers={"WebHook-Request-Origin": origin})

    assert greet("127.0.0.1").headers["WebHook-Allowed-Origin"] == "127.0.0.1"
    assert greet("other.example.org, 127.0.0.1").status_code == 200
    for origin in ("other.webpubsub.azure.com", ""):
        assert greet(origin).status_code == 403
        assert "WebHook-Allowed-Origin" not in greet(origin).headers


def test_a_forged_event_is_refused_and_changes_nothing(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as live:
        forgeries = (
            "",
            "sha256=",
            signature(live.connection_id, "a guessed key"),
            signature("another connection", live_host.address.access_key or ""),
        )
        for forgery in forgeries:
            answer = post_event(live_host, live.connection_id, forgery)
            assert answer.status_code == 401
            assert answer.json()["type"] == "urn:stemworks:problem:event-not-verified"
        live.client.send_event("message", {}, WebPubSubDataType.JSON)
        assert live.wait_for_answers(1) == [{"ack": True, "messages": 1}]


def test_an_event_of_another_hub_is_refused(live_host: LiveHost) -> None:
    true = signature("c", live_host.address.access_key or "")
    assert post_event(live_host, "c", true, hub="other").status_code == 422
    assert post_event(live_host, "c", true).status_code == 200


def test_an_event_without_its_headers_is_refused_by_their_names(live_host: LiveHost) -> None:
    answer = live_host.http.post("/v1/live/events", content=b"{}")
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["ce-type", "ce-hub", "ce-connectionid"]


# What comes in


@pytest.mark.parametrize(
    "frame",
    [
        "not JSON",
        "[]",
        "{}",
        "[" * 100_000,
        '{"type": "dance"}',
        '{"type": "joinGroup"}',
        '{"type": "event", "event": 5}',
        '{"type": "event", "event": "message", "dataType": "binary", "data": "%"}',
    ],
)
def test_a_frame_that_is_no_request_is_answered_and_ends_that_connection_alone(live_host: LiveHost, frame: str) -> None:
    with LiveClient(live_host.negotiate()["url"]) as neighbour, raw_client(live_host) as (socket, _):
        socket.send(frame)
        farewell = json.loads(socket.recv(10))
        assert (farewell["type"], farewell["event"]) == ("system", "disconnected")
        assert closed_with(socket) == 1008
        neighbour.client.send_event("message", {}, WebPubSubDataType.JSON)
        assert neighbour.wait_for_answers(1)


def test_a_frame_of_two_mebibytes_ends_that_connection_alone(live_host: LiveHost) -> None:
    with raw_client(live_host) as (socket, _):
        socket.send(json.dumps({"type": "event", "event": "message", "data": "x" * 2 * 2**20}))
        assert closed_with(socket) == 1009
    assert live_host.process.exit_status() is None
    live_host.negotiate()


def test_a_ping_is_answered(live_host: LiveHost) -> None:
    with raw_client(live_host) as (socket, _):
        socket.send('{"type": "ping"}')
        assert json.loads(socket.recv(10)) == {"type": "pong"}


def test_a_request_that_comes_again_is_carried_out_once(live_host: LiveHost) -> None:
    with raw_client(live_host) as (socket, _):
        for _ in range(2):
            socket.send(json.dumps({"type": "event", "event": "message", "data": {}, "ackId": 7}))
        answers = [json.loads(socket.recv(10)) for _ in range(3)]
        assert [answer["type"] for answer in answers] == ["message", "ack", "ack"]
        assert (answers[1]["success"], answers[2]["success"]) == (True, False)
        assert answers[2]["error"]["name"] == "Duplicate"


# Coming and going


def test_a_reliable_client_that_lost_its_socket_gets_what_it_missed(live_host: LiveHost) -> None:
    with raw_client(live_host, RELIABLE_PROTOCOL, "mine") as (socket, hello):
        live_host.channel.send_to_group("job-mine", {"number": 1})
        assert json.loads(socket.recv(10))["sequenceId"] == 1
        socket.send('{"type": "sequenceAck", "sequenceId": 1}')
        socket.socket.close()
    live_host.channel.send_to_group("job-mine", {"number": 2})
    with again(live_host, hello) as socket:
        missed = json.loads(socket.recv(10))
        assert (missed["sequenceId"], missed["data"]) == (2, {"number": 2})


def test_a_client_that_comes_back_before_its_old_socket_is_found_broken_stays(live_host: LiveHost) -> None:
    with raw_client(live_host, RELIABLE_PROTOCOL, "mine") as (old, hello), again(live_host, hello) as new:
        old.socket.close()
        for number in range(5):  # somewhere between these the service sees the old socket break
            live_host.channel.send_to_group("job-mine", {"number": number})
            assert json.loads(new.recv(10))["data"] == {"number": number}


def test_nobody_takes_a_connection_over_without_its_reconnection_token(live_host: LiveHost) -> None:
    with (
        raw_client(live_host, RELIABLE_PROTOCOL) as (_, hello),
        pytest.raises(ConnectionClosed, match="1008"),
        again(live_host, hello | {"reconnectionToken": "guessed"}),
    ):
        pass


def test_the_app_can_end_a_connection_and_see_that_it_is_gone(live_host: LiveHost) -> None:
    with raw_client(live_host) as (socket, hello):
        service = live_host.channel._client
        assert service.connection_exists(hello["connectionId"])
        service.close_connection(hello["connectionId"], reason="enough")
        assert closed_with(socket) == 1000
        wait_for(lambda: not service.connection_exists(hello["connectionId"]))


def test_the_app_can_add_a_client_to_a_group_and_remove_it(live_host: LiveHost) -> None:
    with LiveClient(live_host.negotiate()["url"]) as live:
        service = live_host.channel._client
        service.add_connection_to_group("room", live.connection_id)
        live_host.channel.send_to_group("room", {"number": 1})
        service.remove_connection_from_group("room", live.connection_id)
        live_host.channel.send_to_group("room", {"number": 2})
        live_host.channel.send_to_connection(live.connection_id, {"the": "end"})
        live.wait_for_answers(1)
        assert live.from_groups == [("room", {"number": 1})]


def test_a_client_hears_when_the_host_stops() -> None:
    with LiveHost() as host, raw_client(host) as (socket, _):
        assert host.process.stop() == 0
        assert closed_with(socket) == 1001
        assert "WARNING" not in host.process.log()  # the app was told of the client's end while it still listened


def address(
    host: LiveHost, *, key: str | None = None, audience: str | None = None, roles: list[str] | None = None,
    lifetime_seconds: int = 60,
) -> str:  # fmt: skip
    """Where a client connects whose token says so."""
    audience = audience or host.process.base_url + "/client/hubs/stemworks"
    claims = {"aud": audience, "exp": int(time.time()) + lifetime_seconds, "role": roles or []}
    token = jwt.encode(claims, key or host.address.access_key or "", algorithm="HS256")
    return f"{host.ws_url}/client/hubs/stemworks?access_token={token}"


def bearer_for(host: LiveHost, path: str) -> dict[str, str]:
    claims = {"aud": host.process.base_url + path, "exp": int(time.time()) + 60}
    return {"Authorization": "Bearer " + jwt.encode(claims, host.address.access_key or "", algorithm="HS256")}


def post_event(host: LiveHost, connection_id: str, signed: str, hub: str = "stemworks") -> httpx.Response:
    headers = {
        "ce-type": "azure.webpubsub.user.message",
        "ce-hub": hub,
        "ce-connectionId": connection_id,
        "ce-signature": signed,
        "Content-Type": "application/json",
    }
    return host.http.post("/v1/live/events", content=b"{}", headers=headers)


@contextmanager
def raw_client(
    host: LiveHost, subprotocol: str = JSON_PROTOCOL, *job_ids: str
) -> Iterator[tuple[ClientConnection, dict[str, Any]]]:
    """A WebSocket that speaks a subprotocol by hand, and what it was greeted with."""
    with connect(host.negotiate(*job_ids)["url"], subprotocols=[Subprotocol(subprotocol)]) as socket:
        yield socket, json.loads(socket.recv(10))


@contextmanager
def again(host: LiveHost, hello: dict[str, Any]) -> Iterator[ClientConnection]:
    """A new socket for a reliable client whose old one broke; it has been greeted."""
    query = urlencode(
        {"awps_connection_id": hello["connectionId"], "awps_reconnection_token": hello["reconnectionToken"]}
    )
    url = f"{host.ws_url}/client/hubs/stemworks?{query}"
    with connect(url, subprotocols=[Subprotocol(RELIABLE_PROTOCOL)]) as socket:
        assert json.loads(socket.recv(10))["connectionId"] == hello["connectionId"]
        yield socket


def closed_with(socket: ClientConnection) -> int:
    """The code that the server closes the socket with."""
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            socket.recv(10)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code
