"""What every ``Channel`` does: the one in memory, and Azure's SDK over the local emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from core.errors import ChannelUnavailable
from core.ports import Channel
from core.settings import Settings
from core.web_pubsub.address import service_address
from core.web_pubsub.channel import NoChannel, open_channel
from core.web_pubsub.memory import MemoryChannel
from tests.integration.web_pubsub_host import LiveHost, live_host

__all__ = ["live_host"]

Received = Callable[[int], list[dict[str, Any]]]


@dataclass
class Client:
    """One that is connected: its id, and what it was sent, once there are so many."""

    connection_id: str
    received: Received


@dataclass
class World:
    """A channel, and a way for clients to connect to it."""

    channel: Channel
    connect: Callable[[str], Client]

    def join(self, *groups: str) -> Client:
        return self.connect(self.channel.client_url(groups, user_id="someone", minutes=5))


@pytest.fixture(params=["memory", "azure"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield memory_world()
        return
    host: LiveHost = request.getfixturevalue("live_host")
    with ExitStack() as sockets:
        yield World(host.channel, lambda url: open_client(sockets, url))


def memory_world() -> World:
    channel = MemoryChannel()

    def join(url: str) -> Client:
        connection_id = channel.connect(url)
        return Client(connection_id, lambda count: channel.received(connection_id)[:count])

    return World(channel, join)


def open_client(sockets: ExitStack, url: str) -> Client:
    protocol = Subprotocol("json.webpubsub.azure.v1")
    socket: ClientConnection = sockets.enter_context(connect(url, subprotocols=[protocol]))
    hello = json.loads(socket.recv(10))

    def received(count: int) -> list[dict[str, Any]]:
        return [json.loads(socket.recv(10))["data"] for _ in range(count)]

    return Client(hello["connectionId"], received)


def test_a_group_s_members_get_what_is_sent_to_it_in_order(world: World) -> None:
    one, other = world.join("a", "b"), world.join("b")
    messages = [{"number": number, "text": "Größe ♯"} for number in range(3)]
    for message in messages:
        world.channel.send_to_group("b", message)
    assert one.received(3) == other.received(3) == messages


def test_nobody_gets_what_is_sent_to_other_groups(world: World) -> None:
    client = world.join("a")
    world.channel.send_to_group("b", {"for": "others"})
    world.channel.send_to_group("a", {"for": "us"})
    assert client.received(1) == [{"for": "us"}]


def test_a_client_can_be_in_no_group(world: World) -> None:
    client = world.join()
    world.channel.send_to_connection(client.connection_id, {"hello": [1, None, True]})
    assert client.received(1) == [{"hello": [1, None, True]}]


def test_a_connection_gets_what_is_sent_to_it_alone(world: World) -> None:
    one, other = world.join("a"), world.join("a")
    world.channel.send_to_connection(one.connection_id, {"for": "one"})
    world.channel.send_to_group("a", {"for": "both"})
    assert one.received(2) == [{"for": "one"}, {"for": "both"}]
    assert other.received(1) == [{"for": "both"}]


def test_who_is_not_there_is_passed_over(world: World) -> None:
    world.channel.send_to_connection("nobody", {"hello": 1})
    world.channel.send_to_group("nobody", {"hello": 1})


def test_groups_may_have_the_names_of_any_job(world: World) -> None:
    group = "job-A.b_c-1" + "x" * 110
    client = world.join(group)
    world.channel.send_to_group(group, {"hello": 1})
    assert client.received(1) == [{"hello": 1}]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {
            "WEB_PUBSUB_CONNECTION": "Endpoint=http://127.0.0.1:9;AccessKey=an-access-key-that-is-long-enough;Version=1.0;"
        },
    ],
)
def test_without_a_service_that_answers_the_channel_is_unavailable(settings: dict[str, str]) -> None:
    channel = open_channel(Settings.read(settings))
    with pytest.raises(ChannelUnavailable):
        channel.send_to_group("a", {})
    with pytest.raises(ChannelUnavailable):
        channel.send_to_connection("a", {})


def test_without_any_service_there_is_no_address_for_clients() -> None:
    channel = open_channel(Settings.read({"WEB_PUBSUB_HUB": "music"}))
    assert isinstance(channel, NoChannel) and channel.hub == "music"
    with pytest.raises(ChannelUnavailable):
        channel.client_url((), user_id="someone", minutes=5)


def test_by_key_an_address_for_clients_is_made_without_asking_the_service() -> None:
    connection = "Endpoint=https://music.webpubsub.azure.com/;AccessKey=an-access-key-that-is-long-enough;Version=1.0;"
    url = urlsplit(
        open_channel(Settings.read({"WEB_PUBSUB_CONNECTION": connection})).client_url((), user_id="u", minutes=5)
    )
    assert (url.scheme, url.netloc, url.path) == ("wss", "music.webpubsub.azure.com", "/client/hubs/stemworks")


@pytest.mark.parametrize("text", ["nonsense", "Endpoint=https://x;", "AccessKey=abc", "Endpoint=;AccessKey=abc"])
def test_a_connection_string_without_its_parts_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(ValueError, match="WEB_PUBSUB_CONNECTION"):
        open_channel(Settings.read({"WEB_PUBSUB_CONNECTION": text}))


def test_the_access_key_is_not_shown() -> None:
    address = service_address(Settings.read({"WEB_PUBSUB_CONNECTION": "Endpoint=https://x;AccessKey=s3cret;"}))
    assert address is not None and address.access_key == "s3cret" and "s3cret" not in repr(address)
