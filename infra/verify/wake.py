"""Whether a job for the GPU is taken: the only proof that the scale rules do what they are there for."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

from infra.verify.finding import Finding, missing, ok

LONGEST_SECONDS = 900.0
"""A replica that starts from zero pulls several GB of image first; a queue is looked at every 30 s."""

_POLL_SECONDS = 3.0
_REQUEST = {"engine": "musicgen", "target_stems": ["bass"], "parameters": {"duration_seconds": 1}}


def wake(
    http: httpx.Client, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Finding:
    """Send a job that needs a GPU, wait until a worker takes it, and call it off; what comes of it does not matter."""
    try:
        accepted = http.post("/v1/generations", json=_REQUEST)
        if accepted.status_code != httpx.codes.ACCEPTED:
            said = f"POST /v1/generations answered {accepted.status_code}: {accepted.text[:200]}"
            return missing("GPU wakes up", said)
        address = f"/v1/jobs/{accepted.json()['job_id']}"
        finding = _wait(http, address, clock, sleep)
        http.post(f"{address}/cancel")  # refused with 409 if it has ended
    except httpx.TransportError as error:
        return missing("GPU wakes up", f"the connection broke: {error or type(error).__name__}")
    return finding


def _wait(http: httpx.Client, address: str, clock: Callable[[], float], sleep: Callable[[float], None]) -> Finding:
    began = clock()
    while (waited := clock() - began) < LONGEST_SECONDS:
        if http.get(address).json().get("attempt"):
            return ok("GPU wakes up", f"a worker took a job after {waited:.0f} s")
        sleep(_POLL_SECONDS)
    return missing("GPU wakes up", f"nothing took {address} within {LONGEST_SECONDS:.0f} s: look at the scale rules")
