"""Child processes of a benchmark: started, watched for the CPU time they take, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parent.parent
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


@contextmanager
def running(*command: str, environ: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A process that ends with the block, its children with it."""
    process = subprocess.Popen(
        command, env={**os.environ, **(environ or {})}, cwd=PROJECT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        _end(process)


@contextmanager
def serving(module: str, environ: Mapping[str, str] | None = None) -> Iterator[tuple[str, int]]:
    """``module.app`` under uvicorn: its address and process id."""
    with running(sys.executable, "-m", "bench.ways.serve", module, environ=environ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"{module} did not start")
        wait_for_port(int(address.rpartition(":")[2]))
        yield address, process.pid


@contextmanager
def redis(port: int) -> Iterator[int]:
    """A Redis server in memory; its process id."""
    options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", tempfile.gettempdir())
    with running("redis-server", "--port", str(port), *options) as process:
        wait_for_port(port)
        yield process.pid


def wait_for_port(port: int) -> None:
    """Return once something listens on 127.0.0.1. Raises ``TimeoutError``."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


def cpu_seconds(*pids: int) -> float:
    """CPU time that the processes and their living children have taken so far."""
    total = 0.0
    for pid in pids:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
    return total


def _end(process: subprocess.Popen[str]) -> None:
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
