"""Azurite, Microsoft's storage emulator, as a child process."""

import atexit
import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

SERVICES = ("blob", "queue", "table")
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (  # the well-known key of every emulator: no secret
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
DEFAULT_HOME = Path(__file__).resolve().parent.parent / "node_modules" / "azurite"
# The emulator must not outlive a parent that was killed: the pipe on its standard input ends with the parent.
SCRIPT_WITH_PARENT = (
    "process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume().unref(); require(process.argv[1])"
)
START_SECONDS = 30.0
STOP_SECONDS = 10.0
ATTEMPTS = 3


class AzuriteError(RuntimeError):
    """Azurite could not be started."""


class Azurite:
    """One emulator: its blob, queue and table services on three ports of 127.0.0.1.

    `first_port` gives three consecutive ports; None takes free ones, which are kept for a later `start()`.
    `data_dir` keeps everything on disk; None keeps it in memory.
    """

    def __init__(
        self, first_port: int | None = None, data_dir: Path | None = None, home: Path = DEFAULT_HOME, node: str = "node"
    ) -> None:
        self._given_ports = [first_port + i for i in range(3)] if first_port else None
        self.ports: list[int] = self._given_ports or []
        self._data_dir = data_dir
        self._home = home
        self._node = node
        self._process: subprocess.Popen[bytes] | None = None
        self._log = tempfile.NamedTemporaryFile(prefix="azurite-", suffix=".log")  # noqa: SIM115 - as long as self

    @property
    def connection_string(self) -> str:
        endpoints = "".join(
            f"{service.capitalize()}Endpoint=http://127.0.0.1:{port}/{ACCOUNT};"
            for service, port in zip(SERVICES, self.ports, strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{endpoints}"

    def start(self) -> Self:
        """Start, or start again on the same ports; returns once all three services answer.

        Raises AzuriteError when node or azurite is missing or a given port is taken.
        """
        self._require_installed()
        fixed = bool(self.ports)
        for attempt in range(1, ATTEMPTS + 1):
            self.ports = self.ports if fixed else free_ports(len(SERVICES))
            self._require_free_ports()
            self._spawn()
            if self._answers():
                return self
            log = self.log_tail()
            self.stop()
            # Between choosing a free port and listening on it, another process may have taken it.
            if fixed or "EADDRINUSE" not in log or attempt == ATTEMPTS:
                raise AzuriteError(f"Azurite did not start on ports {self.ports}: {log or 'it printed nothing'}")
        raise AssertionError("unreachable")

    def stop(self) -> None:
        """Ask it to end (SIGTERM), then kill it; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM if self._data_dir else signal.SIGKILL)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def pause(self) -> None:
        """Freeze it: connections are accepted by the kernel and never answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._running().poll()

    def log_tail(self) -> str:
        return Path(self._log.name).read_text(errors="replace").strip()[-2000:]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise AzuriteError("Azurite is not running")
        return self._process

    def _script(self) -> Path:
        return self._home / "dist" / "src" / "azurite.js"

    def _require_installed(self) -> None:
        if shutil.which(self._node) is None:
            raise AzuriteError(f"`{self._node}` is not on the PATH: install Node.js 20 or newer, then run `make setup`")
        if not self._script().exists():
            raise AzuriteError(f"Azurite is not installed in {self._home}: run `make setup`")

    def _require_free_ports(self) -> None:
        for port in self.ports:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(("127.0.0.1", port))
                except OSError as error:
                    raise AzuriteError(
                        f"port {port} of 127.0.0.1 is taken ({error.strerror}): choose another --storage-port"
                    ) from None

    def _spawn(self) -> None:
        command = [self._node, "-e", SCRIPT_WITH_PARENT, "--", str(self._script())]
        command += ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
        for service, port in zip(SERVICES, self.ports, strict=True):
            command += [f"--{service}Host", "127.0.0.1", f"--{service}Port", str(port)]
        if self._data_dir:
            self._data_dir.mkdir(parents=True, exist_ok=True)
            command += ["--location", str(self._data_dir)]
        else:
            command += ["--inMemoryPersistence"]
        self._log.truncate(0)
        atexit.register(self.stop)
        # Its own process group: a Ctrl-C in the terminal must reach the host first, which still needs the storage.
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            cwd=self._data_dir or tempfile.gettempdir(),
            process_group=0,
        )

    def _answers(self) -> bool:
        deadline = time.monotonic() + START_SECONDS
        waiting = list(self.ports)
        while waiting and time.monotonic() < deadline and self._running().poll() is None:
            if accepts_connections(waiting[0]):
                waiting.pop(0)
            else:
                time.sleep(0.05)
        return not waiting and self._running().poll() is None


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def accepts_connections(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
