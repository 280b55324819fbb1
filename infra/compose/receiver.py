"""A webhook receiver that shows what came in: ``receiver.py [PORT]``. Needs nothing but Python.

It checks signatures as Standard Webhooks 1.0 has it, with the secrets in ``WEBHOOK_SECRETS``, prints every delivery,
and shows the last of them at ``/``, or as JSON at ``/deliveries``. A delivery to ``/answer/503`` is answered by that
status, which shows what the sender does about it. For development: whoever reaches it can read everything.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = 100
LONGEST_BODY_BYTES = 1 << 20
TOLERANCE_SECONDS = 300
"""How far a delivery's time may be from ours: older ones may be replayed by somebody who read along."""

GENUINE = "genuine"
NOT_CHECKED = "not checked: WEBHOOK_SECRETS is empty"

_ANSWER = re.compile(r"/answer/([2-5]\d\d)")


@dataclass(frozen=True)
class Delivery:
    """One POST, and what was found out about it."""

    received_at: str
    path: str
    webhook_id: str
    verdict: str
    answered: int
    body: str


def verdict(secrets: list[str], headers: dict[str, str], body: bytes, now_seconds: float) -> str:
    """``GENUINE``, or what speaks against it."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()
    if not secrets:
        return NOT_CHECKED
    if not signatures:
        return "not signed"
    if not timestamp.isdecimal() or abs(now_seconds - int(timestamp)) > TOLERANCE_SECONDS:
        return "signed for another time"
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = [_signature(secret, signed) for secret in secrets]
    matches = (hmac.compare_digest(ours, theirs.encode()) for ours in expected for theirs in signatures)
    return GENUINE if any(matches) else "signed by another secret"


def _signature(secret: str, signed: bytes) -> bytes:
    return b"v1," + base64.b64encode(hmac.digest(_key(secret), signed, "sha256"))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise SystemExit(f"WEBHOOK_SECRETS: one is not whsec_ and base64 ({error})") from None


class Receiver(ThreadingHTTPServer):
    """Keeps the last deliveries, the newest first. Raises ``SystemExit`` for a secret that is none."""

    def __init__(self, port: int, secrets: list[str], host: str = "") -> None:
        for secret in secrets:
            _key(secret)
        super().__init__((host, port), _Handler)
        self.daemon_threads = True
        self.secrets = secrets
        self.deliveries: deque[Delivery] = deque(maxlen=KEPT)

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Note one delivery; the status to answer with."""
        found = verdict(self.secrets, headers, body, time.time())
        wanted = _ANSWER.fullmatch(path.partition("?")[0])
        status = int(wanted[1]) if wanted else 200 if found in (GENUINE, NOT_CHECKED) else 401
        received_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = body.decode("utf-8", "replace")
        self.deliveries.appendleft(
            Delivery(received_at, path, headers.get("webhook-id", ""), found, status, text),
        )
        print(received_at, status, found, _indented(text), flush=True)
        return status

    def page(self) -> str:
        """What came in, for a browser."""
        rows = "".join(
            f"<h2>{escape(one.received_at)} {escape(one.path)}: {escape(one.verdict)}, answered {one.answered}</h2>"
            f"<p>{escape(one.webhook_id)}</p><pre>{escape(_indented(one.body))}</pre>"
            for one in list(self.deliveries)
        )
        head = '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="5"><title>Callbacks</title>'
        return f"{head}<h1>Callbacks</h1>{rows or '<p>Nothing came in yet.</p>'}"


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    timeout = 30

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not length.isdecimal() or int(length) > LONGEST_BODY_BYTES:
            self._answer(413 if length.isdecimal() else 411)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._answer(self.server.take(self.path, headers, body))

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(200, "text/html; charset=utf-8", self.server.page())
        elif self.path == "/deliveries":
            kept = [asdict(one) for one in list(self.server.deliveries)]
            self._answer(200, "application/json", json.dumps(kept))
        else:
            self._answer(404)

    def _answer(self, status: int, content_type: str = "text/plain", text: str = "") -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: a delivery has its own line, and a browser that looks every five seconds needs none."""


def main(arguments: list[str]) -> None:
    """Serve until the end."""
    secrets = os.environ.get("WEBHOOK_SECRETS", "").replace(",", " ").split()
    port = int(arguments[0]) if arguments else 9000
    print(f"listening on port {port}, {len(secrets)} secrets", flush=True)
    Receiver(port, secrets).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
