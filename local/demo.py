"""`make run`: one request through the whole stack, from POST to the signed callback, with its stems in a folder."""

import base64
import hashlib
import json
import math
import queue
import secrets
import shutil
import tempfile
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx
import soundfile
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from standardwebhooks import Webhook, WebhookVerificationError

from local.azurite import Azurite
from local.stack import HostProcess, prepare_storage

JOB_SECONDS = 60.0
CALLBACK_SECONDS = 20.0
POLL_SECONDS = 0.15
ENDED = ("completed", "failed", "canceled")
PARAMETERS = {
    "target_bpm": 120.0,
    "duration_seconds": 10.0,
    "style": "rock",
    "chord_progression": ["C", "G", "Am", "F"],
    "prompt": "energetic rock guitar",
    "temperature": 1.0,
    "random_seed": 42,
}


class DemoError(RuntimeError):
    """A step of the demonstration did not do what it should."""


class CallbackReceiver:
    """A web server of this process that keeps what is posted to it."""

    def __init__(self) -> None:
        received: queue.Queue[tuple[dict[str, str], bytes]] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                received.put(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing: the progress bar has the terminal."""

        self._received = received
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def verified(self, secret: str, request_id: str) -> dict[str, Any]:
        """The callback of a job's end; raises DemoError when none comes in time or its signature is wrong."""
        deadline = time.monotonic() + CALLBACK_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            try:
                headers, body = self._received.get(timeout=left)
                Webhook(secret).verify(body, headers)
            except queue.Empty:
                break
            except WebhookVerificationError as error:
                raise DemoError(f"the callback's signature is wrong: {error}") from None
            if request_id in body.decode() and any(status in body.decode() for status in ENDED):
                return dict(json.loads(body))
        raise DemoError(f"no callback of the job's end came within {CALLBACK_SECONDS:.0f} s")


def run_demo(out: Path) -> int:
    """Run it in a stack of its own; returns the exit status."""
    console, started = Console(), time.monotonic()
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
    settings = {"WEBHOOK_SECRETS": secret, "ALLOW_PRIVATE_CALLBACKS": "true", "STEMWORKS_ROLE": "all"}
    log_path = Path(tempfile.mkdtemp(prefix="stemworks-run-")) / "host.log"
    try:
        with console.status("starting storage and host"), Azurite() as azurite:
            prepare_storage(azurite.connection_string)
            with HostProcess(azurite.connection_string, settings=settings, log_path=log_path) as host:
                console.print(f"host {host.base_url}, storage on ports {', '.join(map(str, azurite.ports))}")
                follow_one_request(console, host.base_url, secret, out)
    except (DemoError, httpx.HTTPError, OSError) as error:
        console.print(f"[red]make run failed:[/] {error}", highlight=False, soft_wrap=True)
        if log_path.exists():
            console.print(f"the host's log, {log_path}, ends with:\n{log_path.read_text()[-4000:]}", markup=False)
        return 1
    shutil.rmtree(log_path.parent)
    console.print(f"done in {time.monotonic() - started:.1f} s")
    return 0


def follow_one_request(console: Console, base_url: str, secret: str, out: Path) -> None:
    """POST, progress, callback, download; raises DemoError at the first step that goes wrong."""
    with CallbackReceiver() as receiver, httpx.Client(base_url=base_url, timeout=20) as http:
        request_id = submit(http, receiver.url)
        console.print(f"POST /generate: accepted as {request_id}")
        job = wait_for_end(console, http, request_id)
        callback = receiver.verified(secret, request_id)
        console.print(f"callback received, signature good: {callback.get('type') or callback.get('status')}")
        out.mkdir(parents=True, exist_ok=True)
        for output in job["outputs"]:
            console.print(describe(download(http, output, out)), soft_wrap=True)


def submit(http: httpx.Client, callback_url: str) -> str:
    """The id of the accepted request."""
    request_id = str(uuid.uuid4())
    answer = http.post(
        "/generate",
        json={
            "generation_request_id": request_id,
            "audio_file_id": str(uuid.uuid4()),
            "target_stems": ["guitar", "bass", "drums"],
            "parameters": PARAMETERS,
            "callback_url": callback_url,
        },
    )
    if answer.status_code != 202:
        raise DemoError(f"POST /generate was answered with {answer.status_code}: {answer.text[:500]}")
    return request_id


def wait_for_end(console: Console, http: httpx.Client, request_id: str) -> dict[str, Any]:
    """Draw the job's progress until it ends; raises DemoError unless it completes."""
    columns = (TextColumn("{task.description:<28}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    deadline = time.monotonic() + JOB_SECONDS
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        bar = progress.add_task("queued", total=1.0)
        while time.monotonic() < deadline:
            job: dict[str, Any] = http.get(f"/v1/jobs/{request_id}").raise_for_status().json()
            text = job.get("status_message") or job.get("stage") or job["status"]
            progress.update(bar, completed=job.get("progress") or 0.0, description=text[:28])
            if job["status"] in ENDED:
                break
            time.sleep(POLL_SECONDS)
    if job["status"] != "completed":
        error = json.dumps(job.get("error"))
        raise DemoError(f"the job is {job['status']} after at most {JOB_SECONDS:.0f} s; its error: {error}")
    return job


def download(http: httpx.Client, output: dict[str, Any], out: Path) -> Path:
    """One stem, checked against its digest."""
    path = out / Path(output["name"]).name
    content = http.get(output["url"], follow_redirects=True).raise_for_status().content
    if hashlib.sha256(content).hexdigest() != output["sha256"]:
        raise DemoError(f"{output['name']} is not what its sha256 says")
    path.write_bytes(content)
    return path


def describe(path: Path) -> str:
    """What one file is: name, length, size, peak level."""
    samples, sample_rate = soundfile.read(path, always_2d=True)
    peak = float(abs(samples).max()) if samples.size else 0.0
    level = f"{20 * math.log10(peak):.1f} dBFS" if peak else "silent"
    size_mb = path.stat().st_size / 1e6
    return f"{path}  {len(samples) / sample_rate:.2f} s  {size_mb:.2f} MB  peak {level}"
