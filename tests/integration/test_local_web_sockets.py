"""WebSockets of the app's own under the local host."""

from __future__ import annotations

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.integration.web_pubsub_host import LiveHost, live_host

__all__ = ["live_host"]


def test_a_function_serves_web_sockets_by_its_route(live_host: LiveHost) -> None:
    with connect(live_host.ws_url + "/ws") as one, connect(live_host.ws_url + "/ws") as other:
        one.send("hello")
        other.send("you")
        assert (one.recv(10), other.recv(10)) == ("HELLO", "YOU")


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/broken", 500), ("/page", 200)])
def test_what_serves_none_refuses_the_upgrade(live_host: LiveHost, path: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(live_host.ws_url + path)
    assert refused.value.response.status_code == status


def test_a_message_over_a_mebibyte_ends_that_connection_alone(live_host: LiveHost) -> None:
    with connect(live_host.ws_url + "/ws") as neighbour, connect(live_host.ws_url + "/ws", max_size=None) as socket:
        socket.send("x" * 2**20)
        assert socket.recv(10) == "X" * 2**20
        socket.send("x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
        neighbour.send("still here")
        assert neighbour.recv(10) == "STILL HERE"


def test_a_client_hears_that_the_host_goes_away_and_does_not_hold_it_up() -> None:
    with LiveHost() as host, connect(host.ws_url + "/ws") as socket:
        socket.send("hello")
        assert socket.recv(10) == "HELLO"
        assert host.process.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(10)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001


def test_messages_are_not_packed_for_small_ones_could_unpack_into_all_of_the_memory(live_host: LiveHost) -> None:
    with connect(live_host.ws_url + "/ws", compression="deflate") as socket:
        assert socket.protocol.extensions == []


def test_the_host_tells_the_app_of_its_own_web_pubsub_unless_one_is_set() -> None:
    service = "Endpoint=https://example.webpubsub.azure.com;AccessKey=abc;Version=1.0;"
    with LiveHost(WEB_PUBSUB_CONNECTION=service) as host:
        assert host.http.get("/connection").text == service
        assert host.http.post("/api/hubs/stemworks/:send").status_code == 404
    with LiveHost() as one, LiveHost() as other:
        assert one.address.endpoint == one.process.base_url
        assert one.address.access_key != other.address.access_key
