"""Azurite and the host as processes: what `serve`, `run` and the end-to-end tests start."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from local.azurite import Azurite

PROJECT = Path(__file__).resolve().parent.parent
READY = "listening on "
WATCH_SECONDS = 0.2


class HostError(RuntimeError):
    """The host did not start, or ended by itself."""


class HostProcess:
    """`python -m local host` as a child: its URL once it listens, its output in a file."""

    def __init__(
        self,
        connection_string: str,
        port: int = 0,
        app_dir: Path = PROJECT,
        settings: Mapping[str, str] | None = None,
        grace_seconds: float = 30.0,
        log_path: Path | None = None,
        start_seconds: float = 30.0,
    ) -> None:
        self._command = [sys.executable, "-m", "local", "host", "--port", str(port), "--app-dir", str(app_dir)]
        self._command += ["--grace-seconds", str(grace_seconds), "--until-stdin-ends"]
        self._environ = {**os.environ, **(settings or {}), "AzureWebJobsStorage": connection_string}
        self._start_seconds = start_seconds
        self._grace_seconds = grace_seconds
        self.log_path = log_path or Path(tempfile.mkdtemp(prefix="host-")) / "host.log"
        self.base_url = ""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        """Returns once the host listens; raises HostError with its log when it does not."""
        with self.log_path.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._environ,
                cwd=PROJECT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                process_group=0,  # a Ctrl-C in the terminal is for the parent, which stops things in their order
            )
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            if url := next((line for line in self.log().splitlines() if line.startswith(READY)), ""):
                self.base_url = url.removeprefix(READY)
                return self
            time.sleep(0.05)
        self.kill()
        raise HostError(f"the host did not start:\n{self.log()[-4000:]}")

    @property
    def pid(self) -> int:
        return self._started().pid

    def signal(self, number: int) -> None:
        self._started().send_signal(number)

    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._started().poll()

    def stop(self) -> int:
        """Drain (SIGTERM), then kill; returns the exit status."""
        if self.exit_status() is None:
            self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit status; kills it when it takes longer than its own grace period."""
        try:
            return self._started().wait(self._grace_seconds + 10)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it as a crash does: nothing is drained."""
        self._started().kill()
        return self._started().wait()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise HostError("the host was not started")
        return self._process


def prepare_storage(connection_string: str) -> None:
    """Make the project's containers, queues and tables: the one place where `local` knows the project."""
    from core.bootstrap import azure_storage
    from core.settings import Settings

    azure_storage(Settings.read({"AzureWebJobsStorage": connection_string})).ensure()


def serve(port: int, storage_port: int, data_dir: Path, app_dir: Path = PROJECT) -> int:
    """Keep Azurite and the host up until SIGINT or SIGTERM; returns the exit status."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    with Azurite(storage_port, data_dir / "azurite") as azurite:
        if app_dir == PROJECT:
            prepare_storage(azurite.connection_string)
        address = {"PUBLIC_URL": os.environ.get("PUBLIC_URL", f"http://127.0.0.1:{port}")}
        host = HostProcess(azurite.connection_string, port, app_dir, address, log_path=data_dir / "host.log")
        with host:
            print_addresses(host, azurite, data_dir)
            complaint = watch(host, azurite, stopping)
            print(complaint or "stopping (again to stop at once)", flush=True)
            signal.signal(signal.SIGINT, lambda *_: host.kill())
    return 1 if complaint else 0


def watch(host: HostProcess, azurite: Azurite, stopping: threading.Event) -> str:
    """Wait for the stop signal, or for a process to die, which the answer then names."""
    while not stopping.wait(WATCH_SECONDS):
        if (status := azurite.exit_status()) is not None:
            return f"Azurite ended with status {status}: {azurite.log_tail() or 'it printed nothing'}"
        if (status := host.exit_status()) is not None:
            return f"the host ended with status {status}:\n{host.log()[-4000:]}"
    return ""


def print_addresses(host: HostProcess, azurite: Azurite, data_dir: Path) -> None:
    blob, queue, table = azurite.ports
    print(f"API      {host.base_url}")
    print(f"docs     {host.base_url}/docs")
    print(f"sockets  {host.base_url.replace('http', 'ws', 1)}: /ws, and Web PubSub's clients at /client/hubs/…")
    print(f"storage  127.0.0.1: blobs {blob}, queues {queue}, tables {table}; kept in {data_dir}")
    print(f"log      {host.log_path}")
    print("Ctrl-C stops everything.", flush=True)
