"""SHA-256 of files, remembered for as long as they stay as they are: hashing a model of 13 GB takes half a minute."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PARTIAL = ".partial-"
"""How the names of files that are not complete yet begin."""


class FileDigests:
    """The SHA-256 of files by their path, size and time of change, in memory and in a file that processes share."""

    def __init__(self, memory: Path) -> None:
        """Read nothing yet; ``memory`` is a JSON file that is made when the first digest is known."""
        self._memory = memory
        self._known: dict[str, list[object]] | None = None
        self._lock = threading.Lock()

    def of(self, path: Path) -> str:
        """The SHA-256 of a file in hexadecimal. Raises ``FileNotFoundError``."""
        path, stamp = path.resolve(), _stamp(path)
        with self._lock:
            if self._known is None:
                self._known = self._read()
            known = self._known.get(str(path))
        if known and known[:2] == stamp:
            return str(known[2])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._remember(path, stamp, digest)
        return digest

    def _remember(self, path: Path, stamp: list[object], digest: str) -> None:
        """Add to what other processes have written since. If two write at once, one file is hashed again some day."""
        with self._lock:
            self._known = {**(self._known or {}), **self._read(), str(path): [*stamp, digest]}
            with suppress(OSError), replacing(self._memory) as file:  # a full disk costs the memory and nothing else
                file.write(json.dumps(self._known, indent=1).encode())

    def _read(self) -> dict[str, list[object]]:
        try:
            if not (_is_ours(self._memory.parent) and _is_ours(self._memory)):
                return {}
            entries = json.loads(self._memory.read_bytes())
            return {path: entry for path, entry in entries.items() if isinstance(entry, list) and len(entry) == 3}
        except (OSError, ValueError, AttributeError):
            return {}


def digest_of_digests(digests: Iterable[str]) -> str:
    """One file's digest; for several, the SHA-256 of their digests in hexadecimal, one after the other."""
    several = list(digests)
    return several[0] if len(several) == 1 else hashlib.sha256("".join(several).encode()).hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside ``target`` that takes its name if the block ends well, and is gone otherwise."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=PARTIAL, delete=False) as file:
        partial = Path(file.name)
        try:
            yield file
            file.flush()
            partial.replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                partial.unlink()
            raise


def _stamp(path: Path) -> list[object]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _is_ours(path: Path) -> bool:
    """Whether nobody else on this machine could have written it: what it says decides which weights are trusted."""
    if os.name != "posix":
        return True
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022
