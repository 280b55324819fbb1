"""Weight files: found in a folder or in storage, checked against their pinned SHA-256, never taken on trust."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from core.errors import BlobNotFound, ChecksumMismatch, ModelNotFound

if TYPE_CHECKING:
    from core.ports import Blobs

CONTAINER = "models"
_HARMLESS = (".yaml", ".json", ".txt")  # read by parsers that run nothing; everything else from storage must be pinned
_PIN = re.compile(r"(?P<file>[^=/\\]+)=(?P<digest>[0-9a-fA-F]{64})")


def parse_checksums(words: Iterable[str]) -> dict[str, str]:
    """The pins of ``MODEL_CHECKSUMS``, file name to SHA-256 in lower case.

    Raises:
        ValueError: a word that is not ``file=sha256``, or a file with two different pins.
    """
    pins: dict[str, str] = {}
    for word in words:
        match = _PIN.fullmatch(word)
        if not match:
            raise ValueError(f"MODEL_CHECKSUMS: {word!r} is not file=sha256, a file's name and 64 hexadecimal digits")
        digest = match["digest"].lower()
        if pins.setdefault(match["file"], digest) != digest:
            raise ValueError(f"MODEL_CHECKSUMS: {match['file']} is pinned twice, to different checksums")
    return pins


@dataclass(frozen=True)
class Checkpoint:
    """A weight file in memory: the very bytes that were checked.

    Attributes:
        sha256: in lower-case hexadecimal.
        pinned: whether an operator vouched for this content.
    """

    name: str
    content: bytes
    sha256: str
    pinned: bool


class CheckpointStore:
    """The files of each engine: first those in ``MODEL_DIR``, then those in storage. Processes may share the cache."""

    def __init__(self, model_dir: Path | None, blobs: Blobs, checksums: Mapping[str, str], cache_dir: Path) -> None:
        """Look nowhere yet.

        Args:
            model_dir: holds one folder an engine; ``None`` for none.
            blobs: whose container ``models`` has one prefix an engine.
            checksums: file name to SHA-256, as ``parse_checksums`` gives them.
            cache_dir: where files from storage are kept.
        """
        self._model_dir, self._blobs, self._checksums, self._cache_dir = model_dir, blobs, checksums, cache_dir

    def names(self, folder: str) -> set[str]:
        """The names of all files of an engine."""
        prefix = f"{folder}/"
        stored = {blob.name.removeprefix(prefix) for blob in self._blobs.list_all(CONTAINER, prefix)}
        local = self._model_dir / folder if self._model_dir else None
        return stored | (
            {path.name for path in local.iterdir() if path.is_file()} if local and local.is_dir() else set()
        )

    def read(self, folder: str, name: str) -> Checkpoint:
        """The content of a file.

        Raises:
            ModelNotFound: it is neither in the folder nor in storage.
            ChecksumMismatch: it is not what was pinned, or comes from storage and was not.
        """
        content = self._path(folder, name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self._check(name, digest)
        return Checkpoint(name, content, digest, name in self._checksums)

    def path(self, folder: str, name: str) -> Path:
        """A checked file on disk, for loaders that take nothing else. Raises what ``read`` raises."""
        path = self._path(folder, name)
        with path.open("rb") as file:
            self._check(name, hashlib.file_digest(file, "sha256").hexdigest())
        return path

    def _check(self, name: str, digest: str) -> None:
        expected = self._checksums.get(name, digest)
        if digest != expected:
            raise ChecksumMismatch(f"{name}: its SHA-256 should be {expected}, it is {digest}")

    def _path(self, folder: str, name: str) -> Path:
        local = self._model_dir / folder / name if self._model_dir else None
        if local and local.is_file():
            return local
        if name not in self._checksums and not name.endswith(_HARMLESS):
            self._refuse(folder, name)
        cached = self._cache_dir / folder / name
        if not cached.is_file() or not self._current(cached, name):
            self._download(folder, name, cached)
        return cached

    def _refuse(self, folder: str, name: str) -> None:
        if self._blobs.properties(CONTAINER, f"{folder}/{name}") is None:
            raise self._missing(folder, name)
        raise ChecksumMismatch(
            f"{name} comes from storage and is not pinned: add {name}=SHA256 to MODEL_CHECKSUMS, with the SHA-256 that "
            f"its authors publish or that sha256sum prints of the file you put there"
        )

    def _current(self, cached: Path, name: str) -> bool:
        """Whether the cached file is still the one that is wanted; what is not pinned is fetched anew each time."""
        if name not in self._checksums:
            return False
        with cached.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._checksums[name]

    def _download(self, folder: str, name: str, target: Path) -> None:
        """Fetch a file whole or not at all: it gets its name only when it is complete and has been checked."""
        digest = hashlib.sha256()
        with _replacing(target) as file:
            try:
                for chunk in self._blobs.read(CONTAINER, f"{folder}/{name}"):
                    digest.update(chunk)
                    file.write(chunk)
            except BlobNotFound:
                raise self._missing(folder, name) from None
            self._check(name, digest.hexdigest())

    def _missing(self, folder: str, name: str) -> ModelNotFound:
        places = [f"as {CONTAINER}/{folder}/{name} in storage"]
        if self._model_dir:
            places.insert(0, f"at {self._model_dir / folder / name}")
        return ModelNotFound(f"{name} is missing: it was looked for {' and '.join(places)}")


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A temporary file beside ``target`` that takes its name if the block ends well, and is gone otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".partial-", delete=False) as file:
        partial = Path(file.name)
        try:
            yield file
            file.flush()
            partial.replace(target)
        except BaseException:
            with suppress(FileNotFoundError):
                partial.unlink()
            raise
