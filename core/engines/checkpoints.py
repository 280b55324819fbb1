"""Weight files: found in a folder or in storage, checked against their pinned SHA-256, never taken on trust."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from core.engines.digests import PARTIAL, FileDigests, replacing
from core.errors import BlobNotFound, ChecksumMismatch, EngineUnavailable, ModelNotFound, WeightsNotPinned

if TYPE_CHECKING:
    from core.ports import Blobs

CONTAINER = "models"
_HARMLESS = (".yaml", ".json", ".txt", ".model")  # read by parsers that run nothing; all else must be pinned
_PIN = re.compile(r"(?P<file>[^=\\]+)=(?P<digest>[0-9a-fA-F]{64})")


def parse_checksums(words: Iterable[str]) -> dict[str, str]:
    """The pins of ``MODEL_CHECKSUMS``, file to SHA-256 in lower case.

    A file is its bare name, or the path of one file alone: ``musicgen/small/state_dict.bin``.

    Raises:
        ValueError: a word that is not ``file=sha256``, or a file with two different pins.
    """
    pins: dict[str, str] = {}
    for word in words:
        match = _PIN.fullmatch(word)
        if not match or not is_plain(match["file"]):
            raise ValueError(f"MODEL_CHECKSUMS: {word!r} is not file=sha256, a file's name and 64 hexadecimal digits")
        digest = match["digest"].lower()
        if pins.setdefault(match["file"], digest) != digest:
            raise ValueError(f"MODEL_CHECKSUMS: {match['file']} is pinned twice, to different checksums")
    return pins


def is_plain(path: str) -> bool:
    """Whether a relative path with forward slashes stays below the folder that it is put in."""
    return all(part not in ("", ".", "..") and not set(part) & set("\\:\0") for part in path.split("/"))


def is_harmless(name: str) -> bool:
    """Whether a file of this name holds settings and no weights."""
    return name.endswith(_HARMLESS)


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
    """The files of each engine: first those in ``MODEL_DIR``, then those in storage. Processes may share the cache.

    A folder is an engine, or one of its models (``musicgen/small``); a name may lead through folders of its own.
    """

    def __init__(self, model_dir: Path | None, blobs: Blobs, checksums: Mapping[str, str], cache_dir: Path) -> None:
        """Look nowhere yet.

        Args:
            model_dir: holds one folder an engine; ``None`` for none.
            blobs: whose container ``models`` has one prefix an engine.
            checksums: file to SHA-256, as ``parse_checksums`` gives them; a path wins over a bare name.
            cache_dir: where files from storage are kept.
        """
        self._model_dir, self._blobs, self._checksums, self._cache_dir = model_dir, blobs, checksums, cache_dir
        self._digests = FileDigests(cache_dir / "digests.json")

    def names(self, folder: str) -> set[str]:
        """The names of all files of an engine."""
        local = self.local(folder)
        return self.stored(folder) | (
            {path.name for path in local.iterdir() if path.is_file()} if local and local.is_dir() else set()
        )

    def local(self, folder: str) -> Path | None:
        """Where a folder's files are looked for first; ``None`` without a ``MODEL_DIR``."""
        return self._model_dir / folder if self._model_dir else None

    def stored(self, folder: str) -> set[str]:
        """The names of a folder's files in storage; one that would lead out of the folder is passed over."""
        prefix = f"{folder}/"
        names = (blob.name.removeprefix(prefix) for blob in self._blobs.list_all(CONTAINER, prefix))
        return {name for name in names if is_plain(name)}

    def read(self, folder: str, name: str) -> Checkpoint:
        """The content of a file.

        Raises:
            ModelNotFound: it is neither in the folder nor in storage.
            ChecksumMismatch: it is not what was pinned, or comes from storage and was not.
            EngineUnavailable: it cannot be read.
        """
        path = self._path(folder, name)
        with _readable(path):
            content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self._compare(folder, name, digest)
        return Checkpoint(name, content, digest, self.pin(folder, name) is not None)

    def path(self, folder: str, name: str) -> Path:
        """A checked file on disk, for loaders that take nothing else. Raises what ``read`` raises."""
        path = self._path(folder, name)
        self.check(folder, name, path)
        return path

    def pin(self, folder: str, name: str) -> str | None:
        """The SHA-256 that the operator pinned a file to."""
        return self._checksums.get(f"{folder}/{name}") or self._checksums.get(name.rpartition("/")[2])

    def pins_below(self, folder: str) -> bool:
        """Whether the operator pinned any file of a folder by its path."""
        return any(file.startswith(f"{folder}/") for file in self._checksums)

    def check(self, folder: str, name: str, path: Path) -> None:
        """See to it that a file is what was pinned, if it was. Raises ``ChecksumMismatch``."""
        if self.pin(folder, name) is not None:
            self._compare(folder, name, self.digest(path))

    def digest(self, path: Path) -> str:
        """The SHA-256 of a file, which is read again only if its size or time of change is another.

        Raises ``EngineUnavailable`` for a file that cannot be read.
        """
        with _readable(path):
            return self._digests.of(path)

    def fetch(self, folder: str, name: str) -> Path:
        """A file of storage in the cache, downloaded if it is not there as it was pinned. Raises what ``read`` does."""
        pin = self.pin(folder, name)
        if pin is None and not is_harmless(name):
            self._refuse(folder, name)
        self._cache_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        cached = self._cache_dir / folder / name
        if pin is None or not cached.is_file() or self.digest(cached) != pin:
            self._download(folder, name, cached)
        return cached

    def fetch_all(self, folder: str, names: Iterable[str]) -> Path:
        """A folder with these files of storage, and with none that is no longer there. Raises what ``read`` raises."""
        for name in sorted(names):
            self.fetch(folder, name)
        root, stored = self._cache_dir / folder, self.stored(folder)
        for path in root.rglob("*"):
            gone = path.relative_to(root).as_posix() not in stored
            if gone and path.is_file() and not path.name.startswith(PARTIAL):
                path.unlink(missing_ok=True)  # a loader could take it for the newer one
        return root

    def _path(self, folder: str, name: str) -> Path:
        local = self.local(folder)
        return local / name if local and (local / name).is_file() else self.fetch(folder, name)

    def _compare(self, folder: str, name: str, digest: str) -> None:
        expected = self.pin(folder, name) or digest
        if digest != expected:
            raise ChecksumMismatch(f"{_label(folder, name)}: its SHA-256 should be {expected}, it is {digest}")

    def _refuse(self, folder: str, name: str) -> None:
        if self._blobs.properties(CONTAINER, f"{folder}/{name}") is None:
            raise self._missing(folder, name)
        raise self.unpinned(folder, name, "storage")

    def unpinned(self, folder: str, name: str, origin: str) -> WeightsNotPinned:
        """The refusal of a weight file that nobody vouched for."""
        name = _label(folder, name)
        return WeightsNotPinned(
            f"{name} comes from {origin} and is not pinned: add {name}=SHA256 to MODEL_CHECKSUMS, with the SHA-256 "
            f"that its authors publish or that sha256sum prints of your own copy"
        )

    def _download(self, folder: str, name: str, target: Path) -> None:
        """Fetch a file whole or not at all: it gets its name only when it is complete and has been checked."""
        digest = hashlib.sha256()
        with replacing(target) as file:
            try:
                for chunk in self._blobs.read(CONTAINER, f"{folder}/{name}"):
                    digest.update(chunk)
                    file.write(chunk)
            except BlobNotFound:
                raise self._missing(folder, name) from None
            self._compare(folder, name, digest.hexdigest())

    def _missing(self, folder: str, name: str) -> ModelNotFound:
        places = [f"as {CONTAINER}/{folder}/{name} in storage"]
        if local := self.local(folder):
            places.insert(0, f"at {local / name}")
        return ModelNotFound(f"{name} is missing: it was looked for {' and '.join(places)}")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EngineUnavailable(f"{path} cannot be read ({error.strerror or error}): see to its permissions") from error


def _label(folder: str, name: str) -> str:
    """What a file is pinned by: its bare name if it is unique to the engine, as those of demucs are; else its path."""
    return f"{folder}/{name}" if "/" in folder else name
