"""A checkpoint into the container ``models``, where the engine finds it by its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from core.engines.catalogue import ENCODEC
from core.engines.checkpoints import CONTAINER
from core.engines.encodec.checkpoint import FILE
from core.engines.encodec.engine import CODEC
from core.ports import Blobs
from training.errors import TrainingError
from training.facts import CARD, PLOT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PIECE_BYTES = 4 * 2**20
_TYPES = {FILE: "application/octet-stream", CARD: "text/markdown", PLOT: "image/png"}


def check_upload(blobs: Blobs, name: str) -> None:
    """See before the first step whether an upload can work. Raises ``TrainingError`` or ``StorageError``."""
    if not _NAME.fullmatch(name):
        raise TrainingError(f"{name!r} is no name of a model: letters, digits, dots, dashes and underscores")
    if name == CODEC:
        raise TrainingError(f"{name!r} is where the codec lies: choose another name for the model")
    blobs.properties(CONTAINER, _place(name, FILE))


def upload(blobs: Blobs, folder: Path, name: str) -> str:
    """Write the checkpoint, its card and its plot, over what is there under this name; the checkpoint's SHA-256.

    Raises ``StorageError``.
    """
    with (folder / FILE).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for file_name, content_type in _TYPES.items():
        path = folder / file_name
        blobs.write(
            CONTAINER, _place(name, file_name), partial(_pieces, path), size_bytes=path.stat().st_size,
            content_type=content_type, metadata={},
        )  # fmt: skip
    return digest


def how_to_use(name: str, digest: str) -> str:
    """The pin without which no engine loads it, and a request that asks for it."""
    tracks = {track: {"blob": f"uploads/{track}.flac"} for track in ("track1", "track2")}
    request = {**tracks, "ratios": [0.5], "engine": ENCODEC.name, "model": name}
    return (
        f"uploaded as {CONTAINER}/{_place(name, FILE)}\n"
        f"add to MODEL_CHECKSUMS: {_place(name, FILE)}={digest}\n"
        f"ask for it with POST /v1/bridges: {json.dumps(request)}"
    )


def _place(name: str, file: str) -> str:
    return f"{ENCODEC.name}/{name}/{file}"


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            yield piece
