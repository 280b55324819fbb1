"""The webhook receiver of the Compose file: what it makes of deliveries that the product itself signs."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from core.webhooks.sender import Sender
from core.webhooks.signing import signed_headers
from infra.compose.receiver import KEPT, Receiver

SECRET = "whsec_c2VjcmV0IGZvciB0aGUgdGVzdHM="
OLDER = "whsec_YW4gb2xkZXIgc2VjcmV0"
BODY = '{"type":"job.completed","data":{"job_id":"1","title":"<b>Ärger</b>"}}'

Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a receiver with these secrets; its address."""
    running: list[Receiver] = []

    def started(*secrets: str) -> str:
        receiver = Receiver(0, list(secrets), "127.0.0.1")
        threading.Thread(target=receiver.serve_forever, args=(0.05,), daemon=True).start()
        running.append(receiver)
        return f"http://127.0.0.1:{receiver.server_address[1]}"

    yield started
    for receiver in running:
        receiver.shutdown()
        receiver.server_close()


def headers(*secrets: str, age: timedelta = timedelta(), body: str = BODY) -> dict[str, str]:
    return signed_headers(secrets, "msg_1", datetime.now(UTC) - age, body)


def verdict(url: str) -> str:
    return str(httpx.get(f"{url}/deliveries").json()[0]["verdict"])


def test_a_delivery_of_the_product_is_genuine_and_taken(start: Start) -> None:
    url = start(SECRET)
    sent = Sender(timeout_seconds=5, allow_private=True).post(f"{url}/hook", BODY, headers(SECRET))
    assert sent.delivered, sent.error
    assert httpx.get(f"{url}/deliveries").json() == [
        {
            "received_at": httpx.get(f"{url}/deliveries").json()[0]["received_at"],
            "path": "/hook",
            "webhook_id": "msg_1",
            "verdict": "genuine",
            "answered": 200,
            "body": BODY,
        }
    ]


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (lambda: headers(OLDER), "signed by another secret"),
        (lambda: headers(SECRET, body="{}"), "signed by another secret"),
        (lambda: headers(SECRET, age=timedelta(minutes=6)), "signed for another time"),
        (lambda: headers(SECRET, age=-timedelta(minutes=6)), "signed for another time"),
        (lambda: headers(), "not signed"),
        (dict, "not signed"),
    ],
)
def test_anything_else_is_refused_and_shown_with_the_reason(
    start: Start, sent: Callable[[], dict[str, str]], told: str
) -> None:
    url = start(SECRET)
    assert httpx.post(f"{url}/hook", content=BODY, headers=sent()).status_code == 401
    assert verdict(url) == told


def test_while_secrets_rotate_either_one_will_do(start: Start) -> None:
    url = start(OLDER)
    assert httpx.post(url, content=BODY, headers=headers(SECRET, OLDER)).status_code == 200


def test_without_a_secret_nothing_is_checked_and_it_says_so(start: Start) -> None:
    url = start()
    assert httpx.post(url, content=BODY).status_code == 200
    assert verdict(url).startswith("not checked")


def test_an_address_can_ask_for_an_answer(start: Start) -> None:
    url = start(SECRET)
    assert httpx.post(f"{url}/answer/503", content=BODY, headers=headers(SECRET)).status_code == 503
    assert verdict(url) == "genuine"


def test_the_page_shows_deliveries_as_text(start: Start) -> None:
    url = start(SECRET)
    assert "Nothing came in yet" in httpx.get(url).text
    httpx.post(f"{url}/<i>", content=BODY, headers=headers(SECRET))
    page = httpx.get(url).text
    assert "&lt;b&gt;Ärger&lt;/b&gt;" in page and "<b>" not in page and "<i>" not in page


def test_the_last_deliveries_are_kept(start: Start) -> None:
    url = start()
    with httpx.Client() as client:
        for number in range(KEPT + 1):
            client.post(url, content=str(number))
    bodies = [one["body"] for one in httpx.get(f"{url}/deliveries").json()]
    assert bodies == [str(number) for number in range(KEPT, 0, -1)]


@pytest.mark.parametrize(("length", "status"), [(None, 411), ("-1", 411), (str(2**21), 413)])
def test_a_body_without_an_end_or_too_large_is_not_read(start: Start, length: str | None, status: int) -> None:
    connection = http.client.HTTPConnection(start().removeprefix("http://"), timeout=5)
    connection.putrequest("POST", "/hook")
    if length:
        connection.putheader("content-length", length)
    connection.endheaders()
    assert connection.getresponse().status == status
    connection.close()


def test_a_signature_that_is_no_ascii_is_not_genuine_and_the_receiver_answers(start: Start) -> None:
    url = start(SECRET)
    sent = {**headers(SECRET), "webhook-signature": "v1,\u00e9"}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
    assert httpx.post(url, content=BODY, headers=raw).status_code == 401
    assert verdict(url) == "signed by another secret"


@pytest.mark.parametrize("secret", ["whsec_not base64", "whsec_a"])
def test_a_secret_that_is_none_is_told_before_it_listens(secret: str) -> None:
    with pytest.raises(SystemExit, match="WEBHOOK_SECRETS"):
        Receiver(0, [secret], "127.0.0.1")
