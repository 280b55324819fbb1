"""`python -m local run`: the demonstration, and what it says when a step goes wrong."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import soundfile
from rich.console import Console
from standardwebhooks import Webhook

from local import demo
from local.demo import CallbackReceiver, DemoError, download, submit, wait_for_end

SECRET = "whsec_" + base64.b64encode(b"of this test alone").decode()
BODY = '{"generation_request_id": "request-1", "status": "completed"}'


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with CallbackReceiver() as started:
        yield started


def post_callback(receiver: CallbackReceiver, secret: str, body: str = BODY) -> None:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", now, body),
    }
    assert httpx.post(receiver.url, content=body, headers=headers).status_code == 204


def answering(status: int, content: object) -> httpx.Client:
    """A client whose every request is answered alike."""
    transport = httpx.MockTransport(lambda request: httpx.Response(status, json=content))
    return httpx.Client(transport=transport, base_url="http://host")


def test_one_command_goes_from_request_to_stems_on_disk(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "local", "run", "--out", str(tmp_path / "out")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "signature good" in ran.stdout
    for stem in ("guitar", "bass", "drums"):
        samples, sample_rate = soundfile.read(tmp_path / "out" / f"{stem}.wav")
        assert len(samples) == 10 * sample_rate
        assert abs(samples).max() > 0.01
        assert f"{stem}.wav" in ran.stdout


def test_the_callback_of_the_jobs_end_is_taken_and_earlier_ones_are_passed_over(receiver: CallbackReceiver) -> None:
    post_callback(receiver, SECRET, '{"generation_request_id": "request-1", "status": "processing"}')
    post_callback(receiver, SECRET)
    assert receiver.verified(SECRET, "request-1")["status"] == "completed"


def test_a_wrong_signature_is_an_error(receiver: CallbackReceiver) -> None:
    post_callback(receiver, "whsec_" + base64.b64encode(b"another secret").decode())
    with pytest.raises(DemoError, match="signature is wrong"):
        receiver.verified(SECRET, "request-1")


def test_a_callback_that_never_comes_is_an_error(receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CALLBACK_SECONDS", 0.1)
    with pytest.raises(DemoError, match="no callback"):
        receiver.verified(SECRET, "request-1")


def test_a_refused_request_is_an_error_with_the_answer() -> None:
    with pytest.raises(DemoError, match=r"answered with 422.*target_stems"):
        submit(answering(422, {"detail": "target_stems is empty"}), "http://127.0.0.1/callback")


def test_a_failed_job_is_an_error_with_its_reason() -> None:
    job = {"status": "failed", "progress": 0.3, "error": {"title": "the engine broke"}}
    with pytest.raises(DemoError, match="the engine broke"):
        wait_for_end(Console(quiet=True), answering(200, job), "request-1")


def test_a_stem_that_is_not_what_its_digest_says_is_an_error(tmp_path: Path) -> None:
    output = {"name": "guitar.wav", "url": "/files/guitar.wav", "sha256": "0" * 64}
    with pytest.raises(DemoError, match=r"guitar\.wav is not what its sha256 says"):
        download(answering(200, {}), output, tmp_path)
    assert not (tmp_path / "guitar.wav").exists()
