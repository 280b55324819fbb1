"""The frozen codec that a training works with: a folder that was named, or where the engine looks for its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.bootstrap import azure_storage, memory_storage
from core.engines.checkpoints import CheckpointStore, parse_checksums
from core.engines.digests import FileDigests, digest_of_digests
from core.engines.encodec.codec import PATTERNS, WEIGHTS, Codec, load_codec
from core.engines.weights import ModelFolders, matching
from core.settings import Settings

MODEL, PUBLISHED = "24khz", "facebook/encodec_24khz"
_CACHE = Path(tempfile.gettempdir()) / "stemworks-models"  # which the engines share


@dataclass(frozen=True)
class FrozenCodec:
    """A codec that is loaded.

    Attributes:
        digest: SHA-256 of its weights.
    """

    codec: Codec
    digest: str


def open_codec(folder: Path | None, settings: Settings, device: str) -> FrozenCodec:
    """The codec of ``folder``, or else of ``MODEL_DIR``, of storage if the settings name an account, or of the hub.

    Raises ``EngineUnavailable``.
    """
    found = folder or _folders(settings).find("encodec", MODEL, PUBLISHED, PATTERNS)
    codec = load_codec(found, device)
    digests = FileDigests(_CACHE / "digests.json")
    return FrozenCodec(codec, digest_of_digests(digests.of(found / name) for name in matching(found, WEIGHTS)))


def _folders(settings: Settings) -> ModelFolders:
    storage = azure_storage(settings) if has_storage(settings) else memory_storage()
    model_dir = Path(settings.model_dir) if settings.model_dir else None
    return ModelFolders(CheckpointStore(model_dir, storage.blobs, parse_checksums(settings.model_checksums), _CACHE))


def has_storage(settings: Settings) -> bool:
    """Whether the settings name a storage account."""
    return bool(settings.storage_connection or settings.storage_account)
