"""Let a Functions host finish what it has begun: run by Kubernetes before it stops a container.

    python3 drain.py [SECONDS]

A host that is told to stop (SIGTERM) gives what runs about ten seconds, however long its pod may take. One that is told
to drain takes nothing new, works on, and says when it has finished; only then is it told to stop. Kubernetes waits for
this for ``terminationGracePeriodSeconds`` at most.

Args:
    SECONDS: the least that this takes, for balancers that do not know yet; 0 by default.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

HOST = "http://127.0.0.1:8080"
KEYS = Path("/azure-functions-host/Secrets/host.json")


def drain(ask: Callable[[str, str], bytes], least_seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Tell the host to drain, and return once nothing runs and ``least_seconds`` have passed.

    Args:
        ask: sends a request of this method to this path, and returns the answer's body.
    """
    ask("POST", "/admin/host/drain")
    sleep(least_seconds)
    while json.loads(ask("GET", "/admin/host/drain/status"))["state"] != "Completed":
        sleep(1)


def ask_host(method: str, path: str) -> bytes:
    """Send a request to the host's administration, as somebody who may."""
    if not KEYS.exists():
        with suppress(HTTPError):  # 401: a key that it has to compare makes the host draw its own
            _send("GET", "/admin/host/status", "none")
    return _send(method, path, json.loads(KEYS.read_text())["masterKey"]["value"])


def _send(method: str, path: str, key: str) -> bytes:
    request = Request(HOST + path, method=method, headers={"x-functions-key": key})  # noqa: S310 - HOST is http
    with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
        body: bytes = answer.read()
    return body


if __name__ == "__main__":
    drain(ask_host, float(sys.argv[1]) if len(sys.argv) > 1 else 0)
