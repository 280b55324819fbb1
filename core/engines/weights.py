"""Models that are folders of files: found in ``MODEL_DIR``, in storage, or on the hub by their published names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from core.engines import hub
from core.engines.catalogue import CATALOGUE
from core.engines.checkpoints import CONTAINER, CheckpointStore, is_harmless
from core.engines.digests import PARTIAL, digest_of_digests
from core.errors import EngineUnavailable, ModelNotFound

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
_NAME = re.compile(rf"{_PART}(/{_PART})?")


class ModelFolders:
    """Each model as one local folder; its files are known, and pinned, as ``ENGINE/MODEL/FILE``."""

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store

    def find(self, engine: str, model: str, published: str | None, patterns: Sequence[str]) -> Path:
        """The folder of a model, from the first place that has it; several processes may ask at once.

        The places are ``MODEL_DIR/ENGINE/MODEL``, then ``models/ENGINE/MODEL/…`` in storage, then the hub. Downloading
        is long and silent. Which of the files a loader needs is for the loader to check.

        Args:
            model: a plain name, or ``owner/name`` as on the hub.
            published: its name on the hub; without one, only an ``owner/name`` is looked for there, and only if the
                operator pinned files of it.
            patterns: the files that are wanted, as shell patterns of their relative paths; ``*`` crosses folders.

        Raises:
            ModelNotFound: it is nowhere; the detail says where to put it.
            ChecksumMismatch: a file is not what was pinned, or would have to be pinned first.
            EngineUnavailable: the hub cannot be asked.
        """
        if not _NAME.fullmatch(model):
            raise ModelNotFound(f"{model[:200]!r} is no name of a model{_known(engine)}")
        folder = f"{engine}/{model}"
        found = self._local(folder, patterns) or self._stored(folder, patterns)
        if found is None:
            found = self._published(folder, published, patterns)
        for name in matching(found, patterns):
            self._store.check(folder, name, found / name)
        return found

    def digest(self, folder: Path, names: Iterable[str]) -> str:
        """The SHA-256 of a model's weight files: of one file its own, of several that of their digests, in order."""
        return digest_of_digests(self._store.digest(folder / name) for name in names)

    def _local(self, folder: str, patterns: Sequence[str]) -> Path | None:
        local = self._store.local(folder)
        return local if local and matching(local, patterns) else None

    def _stored(self, folder: str, patterns: Sequence[str]) -> Path | None:
        names = [name for name in self._store.stored(folder) if _matches(name, patterns)]
        return self._store.fetch_all(folder, names) if names else None

    def _published(self, folder: str, published: str | None, patterns: Sequence[str]) -> Path:
        model = folder.partition("/")[2]
        vouched = published is None and "/" in model and self._store.pins_below(folder)
        repository = model if vouched else published
        if repository is None:
            raise ModelNotFound(self._missing(folder, None, patterns))
        missing = self._missing(folder, repository, patterns)
        try:
            found = hub.download(repository, patterns)
        except EngineUnavailable as error:
            raise type(error)(f"{missing}; {error.detail}") from error
        names = matching(found, patterns)
        if not names:
            raise ModelNotFound(f"{missing}; on the hub, {repository} has no {' or '.join(patterns)}")
        for name in names:
            if vouched and not is_harmless(name) and self._store.pin(folder, name) is None:
                raise self._store.unpinned(folder, name, "the hub")
        return found

    def _missing(self, folder: str, published: str | None, patterns: Sequence[str]) -> str:
        """What is not here, and how to get it here."""
        engine, _, model = folder.partition("/")
        known = "" if published or model in _models(engine) else _known(engine)
        files = f"the files {', '.join(patterns)} of {published}" if published else f"its {', '.join(patterns)}"
        local = self._store.local(folder)
        place = f"into {local}" if local else f"into a folder {folder} and set MODEL_DIR to what holds {engine}"
        return (
            f"{engine} has no weights of {model!r} here{known}: put {files} {place}, or into storage as "
            f"{CONTAINER}/{folder}/… with each weight file pinned in MODEL_CHECKSUMS as {folder}/FILE=SHA256"
        )


def matching(folder: Path, patterns: Sequence[str]) -> list[str]:
    """The relative paths of a folder's files that match one of ``patterns``, sorted; none if there is no folder."""
    tops = ((Path(top), files) for top, _, files in os.walk(folder, followlinks=True))
    names = (
        (top / file).relative_to(folder).as_posix()
        for top, files in tops
        for file in files
        if not file.startswith(PARTIAL)
    )
    return sorted(name for name in names if _matches(name, patterns) and (folder / name).is_file())


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _known(engine: str) -> str:
    models = _models(engine)
    return f" (known are {', '.join(models)})" if models else ""


def _models(engine: str) -> list[str]:
    return [model.name for info in CATALOGUE if info.name == engine for model in info.models]
