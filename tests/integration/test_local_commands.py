"""`python -m local`: its help and its stack."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from local.azurite import accepts_connections, free_ports
from tests.integration.local_host import SAMPLE_APP, wait_for


class Served:
    """One `python -m local serve` of the sample app."""

    def __init__(self, folder: Path) -> None:
        self.port = free_ports(1)[0]
        self.storage_port = three_free_ports()
        self.output = folder / "serve.log"
        command = ["serve", "--port", self.port, "--storage-port", self.storage_port, "--data", folder / "data"]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "local", *map(str, command), "--app-dir", str(SAMPLE_APP)],
                env={**os.environ, "PREFIX": "served", "RECORD": str(folder / "record.jsonl")},
                stdout=output,
                stderr=output,
            )

    def is_up(self) -> bool:
        """Whether it came up; false once it ended instead, as when another process took one of its ports first."""
        wait_for(lambda: self._says_so() or self.process.poll() is not None, 30)
        return self._says_so()

    def _says_so(self) -> bool:
        return "Ctrl-C stops everything" in self.output.read_text()

    def has_ended(self) -> bool:
        ports = [self.port, *range(self.storage_port, self.storage_port + 3)]
        return not any(accepts_connections(port) for port in ports)


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    folder.mkdir(exist_ok=True)
    stack = Served(folder)
    for _ in range(3):
        if stack.is_up():
            break
        stack = Served(folder)
    try:
        assert stack.is_up(), stack.output.read_text()
        yield stack
    finally:
        stack.process.terminate()
        stack.process.wait(30)


def three_free_ports() -> int:
    """The first of three consecutive free ports."""
    while True:
        (first,) = free_ports(1)
        if first < 65000 and not any(accepts_connections(first + i) for i in range(3)):
            return first


def serve_refused(folder: Path, storage_port: int) -> str:
    """What `serve` says on a storage port that is taken."""
    command = ["serve", "--port", "0", "--storage-port", str(storage_port), "--data", str(folder)]
    ended = subprocess.run(
        [sys.executable, "-m", "local", *command, "--app-dir", str(SAMPLE_APP)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 1
    return ended.stderr


@pytest.mark.parametrize("command", [[], ["host"], ["serve"], ["run"]])
def test_help_is_there_for_every_command(command: list[str]) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "local", *command, "--help"], capture_output=True, text=True, timeout=30, check=True
    )
    assert "usage: python -m local" in shown.stdout


def test_two_stacks_run_side_by_side_and_each_ends_with_all_its_processes(tmp_path: Path) -> None:
    with served(tmp_path / "one") as one, served(tmp_path / "two") as two:
        for stack in (one, two):
            assert f"http://127.0.0.1:{stack.port}/docs" in stack.output.read_text()
            assert httpx.get(f"http://127.0.0.1:{stack.port}/settings").status_code == 200
        refused = serve_refused(tmp_path / "three", one.storage_port)
        assert f"port {one.storage_port} of 127.0.0.1 is taken" in refused
        assert "Traceback" not in refused
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(20) == 0
        assert one.has_ended()
        assert httpx.get(f"http://127.0.0.1:{two.port}/settings").status_code == 200
        two.process.send_signal(signal.SIGTERM)
        assert two.process.wait(20) == 0
        assert two.has_ended()


def test_a_stack_whose_storage_dies_says_so_and_fails(tmp_path: Path) -> None:
    with served(tmp_path) as stack:
        children = Path(f"/proc/{stack.process.pid}/task/{stack.process.pid}/children").read_text().split()
        (emulator,) = [pid for pid in children if b"azurite" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(emulator), signal.SIGKILL)
        assert stack.process.wait(20) == 1
        assert "Azurite ended with status -9" in stack.output.read_text()
        assert stack.has_ended()


def test_no_process_outlives_a_stack_that_was_killed(tmp_path: Path) -> None:
    with served(tmp_path) as stack:
        stack.process.kill()
        wait_for(stack.has_ended)
