"""Which events are taken, and what they lead to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from core.errors import ChannelUnavailable, InvalidRequest, StemworksError, Unauthorized
from core.storage.memory import MemoryTable
from core.web_pubsub.address import ServiceAddress
from core.web_pubsub.event import Event
from core.web_pubsub.event_check import open_event_check
from core.web_pubsub.identity_token import IdentityTokenCheck, PublishedKeys
from core.web_pubsub.live_events import LiveEvents
from core.web_pubsub.memory import MemoryChannel
from core.web_pubsub.sessions import LiveSessions, live_connection
from core.web_pubsub.signature import SignatureCheck, signature
from tests.clock import Clock

TENANT, AUDIENCE, IDENTITY = "tenant-1", "api://stemworks", "object-1"
PRIVATE_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Parrot:
    """Answers with each word of a message, and remembers none."""

    def __init__(self, data: bytes | None) -> None:
        pass

    def receive(self, message: str | bytes) -> list[dict[str, Any]]:
        return [{"word": word if isinstance(word, str) else word.hex()} for word in message.split()]

    def dump(self) -> bytes:
        return b"parrot"


def event(**fields: Any) -> Event:
    defaults = {
        "type": "azure.webpubsub.user.message",
        "hub": "stemworks",
        "connection_id": "c1",
        "content_type": "text/plain",
        "body": b"hello",
        "signature": signature("c1", "primary", "secondary"),
    }
    return Event(**(defaults | fields))


@pytest.fixture
def channel() -> MemoryChannel:
    return MemoryChannel()


@pytest.fixture
def events(channel: MemoryChannel) -> LiveEvents:
    sessions = LiveSessions(MemoryTable(), Parrot, Clock())
    return LiveEvents(channel, "music.webpubsub.azure.com", SignatureCheck(("primary",)), sessions)


# By access key


def test_the_signature_is_the_one_that_the_service_makes() -> None:
    """HMAC-SHA256 of RFC 4231, test case 2."""
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert signature("what do ya want for nothing?", "Jefe") == f"sha256={expected}"


@pytest.mark.parametrize(
    "given",
    [
        signature("c1", "primary"),
        signature("c1", "primary", "secondary"),
        signature("c1", "secondary", "primary"),
        " , ".join((signature("c1", "secondary"), signature("c1", "primary"))),
    ],
)
def test_one_signature_with_our_key_is_enough(given: str) -> None:
    SignatureCheck(("primary",)).verify(event(signature=given))


@pytest.mark.parametrize(
    "given",
    [
        "",
        ",",
        "sha256=",
        "nonsense",
        "größe",
        signature("c1", "secondary"),
        signature("c2", "primary"),
        signature("c1", "primary").upper(),
        signature("c1", "primary")[:-1],
        signature("c1", "primary").removeprefix("sha256="),
    ],
)
def test_anything_else_is_refused(given: str) -> None:
    with pytest.raises(Unauthorized):
        SignatureCheck(("primary",)).verify(event(signature=given))


def test_while_keys_are_rotated_either_is_right() -> None:
    check = SignatureCheck(("old", "new"))
    check.verify(event(signature=signature("c1", "new")))
    check.verify(event(signature=signature("c1", "old")))


def test_keys_and_signatures_are_not_shown() -> None:
    assert "primary" not in repr(SignatureCheck(("primary",)))
    assert "sha256" not in repr(event())


# By identity


def token(key: rsa.RSAPrivateKey = PRIVATE_KEY, **claims: Any) -> str:
    issuer = f"https://sts.windows.net/{TENANT}/"
    full = {"aud": AUDIENCE, "iss": issuer, "oid": IDENTITY, "exp": time.time() + 60} | claims
    return jwt.encode({name: value for name, value in full.items() if value is not None}, key, algorithm="RS256")


@pytest.fixture
def identity_check() -> IdentityTokenCheck:
    return IdentityTokenCheck(TENANT, AUDIENCE, IDENTITY, lambda token: PRIVATE_KEY.public_key())


@pytest.mark.parametrize(
    "issuer", [f"https://sts.windows.net/{TENANT}/", f"https://login.microsoftonline.com/{TENANT}/v2.0"]
)
def test_a_token_of_the_service_s_identity_is_taken(identity_check: IdentityTokenCheck, issuer: str) -> None:
    identity_check.verify(event(signature="", authorization=f"Bearer {token(iss=issuer)}"))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer nonsense",
        f"Basic {token()}",
        f"Bearer {token(OTHER_KEY)}",
        f"Bearer {token(aud='api://other')}",
        f"Bearer {token(aud=None)}",
        f"Bearer {token(iss='https://sts.windows.net/other/')}",
        f"Bearer {token(iss=None)}",
        f"Bearer {token(exp=time.time() - 10)}",
        f"Bearer {token(exp=None)}",
        f"Bearer {token(oid='somebody else of the tenant')}",
        f"Bearer {token(oid=None)}",
        f"Bearer {jwt.encode({'aud': AUDIENCE, 'oid': IDENTITY}, 'k' * 32, algorithm='HS256')}",
        f"Bearer {jwt.encode({'aud': AUDIENCE, 'oid': IDENTITY}, '', algorithm='none')}",
    ],
)
def test_any_other_token_is_refused(identity_check: IdentityTokenCheck, authorization: str) -> None:
    with pytest.raises(Unauthorized):
        identity_check.verify(event(authorization=authorization))


@pytest.fixture
def authority() -> Iterator[str]:
    """Where the tenant's public keys are."""
    key = jwt.algorithms.RSAAlgorithm.to_jwk(PRIVATE_KEY.public_key(), as_dict=True)
    document = json.dumps({"keys": [key | {"kid": "key-1", "use": "sig"}]}).encode()

    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == f"/{TENANT}/discovery/v2.0/keys" else 404)
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_tokens_are_checked_with_the_keys_that_the_tenant_publishes(authority: str) -> None:
    check = IdentityTokenCheck(TENANT, AUDIENCE, IDENTITY, PublishedKeys(TENANT, authority))
    claims = jwt.decode(token(), options={"verify_signature": False})
    for key_id, key, is_taken in (("key-1", PRIVATE_KEY, True), ("key-1", OTHER_KEY, False), ("x", PRIVATE_KEY, False)):
        made = jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id})
        with nullcontext() if is_taken else pytest.raises(Unauthorized):
            check.verify(event(authorization=f"Bearer {made}"))


def test_while_the_tenant_s_keys_are_out_of_reach_nobody_can_tell() -> None:
    keys = PublishedKeys(TENANT, "http://127.0.0.1:9")
    with pytest.raises(ChannelUnavailable):
        IdentityTokenCheck(TENANT, AUDIENCE, IDENTITY, keys).verify(event(authorization=f"Bearer {token()}"))


def test_by_key_events_are_told_by_signature_and_by_identity_by_token() -> None:
    by_key, by_identity = ServiceAddress("https://x", "primary"), ServiceAddress("https://x")
    assert open_event_check(by_key) == SignatureCheck(("primary",))
    check = open_event_check(by_identity, tenant=TENANT, audience=AUDIENCE, identity=IDENTITY)
    assert isinstance(check, IdentityTokenCheck) and check.identity == IDENTITY


@pytest.mark.parametrize(
    ("address", "settings"),
    [
        (None, {}),
        (ServiceAddress("https://x"), {}),
        (ServiceAddress("https://x"), {"tenant": TENANT, "audience": AUDIENCE}),
        (ServiceAddress("https://x"), {"tenant": TENANT, "identity": IDENTITY}),
        (ServiceAddress("https://x"), {"audience": AUDIENCE, "identity": IDENTITY}),
    ],
)
def test_without_the_means_to_tell_every_event_is_refused(
    address: ServiceAddress | None, settings: dict[str, str]
) -> None:
    check = open_event_check(address, **settings)
    with pytest.raises(Unauthorized, match="WEB_PUBSUB"):
        check.verify(event(authorization=f"Bearer {token()}"))


# What events lead to


def test_one_answer_goes_back_with_the_event(events: LiveEvents, channel: MemoryChannel) -> None:
    connection_id = channel.connect(channel.client_url((), user_id="u", minutes=1))
    mine = event(connection_id=connection_id, signature=signature(connection_id, "primary"))
    assert events.handle(mine) == {"word": "hello"}
    assert channel.received(connection_id) == []


def test_several_answers_go_over_the_channel_in_order(events: LiveEvents, channel: MemoryChannel) -> None:
    connection_id = channel.connect(channel.client_url((), user_id="u", minutes=1))
    mine = event(connection_id=connection_id, signature=signature(connection_id, "primary"), body=b"one two three")
    assert events.handle(mine) is None
    assert channel.received(connection_id) == [{"word": "one"}, {"word": "two"}, {"word": "three"}]


@pytest.mark.parametrize(
    ("content_type", "body", "word"),
    [
        ("text/plain", "größe".encode(), "größe"),
        ("application/json", b'{"a":1}', '{"a":1}'),
        ("application/octet-stream", b"hi", "6869"),
        ("text/plain", b"\xff", "ff"),
    ],
)
def test_a_message_is_text_or_bytes_as_it_came(events: LiveEvents, content_type: str, body: bytes, word: str) -> None:
    assert events.handle(event(content_type=content_type, body=body)) == {"word": word}


@pytest.mark.parametrize("name", ["connect", "connected", "disconnected", "something.new"])
def test_system_events_are_taken_and_not_answered(events: LiveEvents, name: str) -> None:
    assert events.handle(event(type=f"azure.webpubsub.sys.{name}", body=b"{}")) is None


def test_a_client_that_disconnects_is_forgotten(events: LiveEvents) -> None:
    table = MemoryTable()
    kept = LiveEvents(events.channel, events.origin, events.check, LiveSessions(table, Parrot, Clock()))
    kept.handle(event())
    assert table.scan("connection:c1", "0", ":", 9)
    kept.handle(event(type="azure.webpubsub.sys.disconnected"))
    assert not table.scan("connection:c1", "0", ":", 9)


def test_other_user_events_are_answered_with_an_error(events: LiveEvents) -> None:
    answer = events.handle(event(type="azure.webpubsub.user.dance"))
    assert answer is not None and answer["error"]["type"] == "invalid-request"


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"hub": "other"}, InvalidRequest), ({"signature": ""}, Unauthorized), ({"connection_id": "c2"}, Unauthorized)],
)
def test_an_event_that_is_not_ours_leaves_no_trace(
    events: LiveEvents, fields: dict[str, Any], error: type[StemworksError]
) -> None:
    table = MemoryTable()
    guarded = LiveEvents(events.channel, events.origin, events.check, LiveSessions(table, Parrot, Clock()))
    with pytest.raises(error):
        guarded.handle(event(**fields))
    assert not table.scan("hours", "", "~", 9)


@pytest.mark.parametrize(
    ("origins", "allowed"),
    [
        ("music.webpubsub.azure.com", True),
        ("MUSIC.webpubsub.azure.com", True),
        ("a.example, music.webpubsub.azure.com", True),
        ("other.webpubsub.azure.com", False),
        ("music.webpubsub.azure.com.example.org", False),
        ("*", False),
        ("", False),
    ],
)
def test_only_our_service_is_welcome(events: LiveEvents, origins: str, allowed: bool) -> None:
    assert events.allows(origins) is allowed


def test_headers_are_read_without_regard_to_case() -> None:
    from starlette.datastructures import Headers

    headers = Headers({"CE-Type": "t", "ce-hub": "h", "Ce-ConnectionId": "c", "content-type": "Text/Plain; charset=x"})
    read = Event.of(headers, b"")
    assert (read.type, read.hub, read.connection_id, read.content_type) == ("t", "h", "c", "text/plain")


def test_a_live_conversation_goes_on_after_it_was_written_down() -> None:
    table = MemoryTable()
    sessions = [LiveSessions(table, live_connection, Clock()) for _ in range(2)]
    start = '{"type": "start", "sample_rate": 8000, "format": "pcm"}'
    assert sessions[0].receive("c", start)[0]["type"] == "started"
    assert sessions[1].receive("c", bytes(1600)) == [{"ack": True}], "the second knows the rate, or it would say so"


def test_a_state_that_cannot_be_read_begins_the_conversation_anew() -> None:
    table = MemoryTable()
    LiveSessions(table, Parrot, Clock()).receive("c", "hello")
    sessions = LiveSessions(table, live_connection, Clock())
    assert sessions.receive("c", '{"type": "ping"}') == [{"type": "pong"}]
    assert sessions.receive("c", '{"type": "ping"}') == [{"type": "pong"}]
