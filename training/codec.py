"""The frozen codec that a training works with: a folder that was named, or where the engine looks for its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from core.bootstrap import azure_storage, memory_storage
from core.engines.catalogue import ENCODEC
from core.engines.checkpoints import CheckpointStore, parse_checksums
from core.engines.digests import FileDigests
from core.engines.encodec.codec import Codec
from core.engines.encodec.codec_files import PATTERNS, load_codec, weight_file
from core.engines.encodec.engine import CODEC, PUBLISHED_CODEC
from core.engines.weights import ModelFolders
from core.ports import Blobs
from core.settings import Settings
from training.errors import TrainingError

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

    Raises ``EngineUnavailable`` or ``TrainingError``.
    """
    found = folder or _folders(settings).find(ENCODEC.name, CODEC, PUBLISHED_CODEC, PATTERNS)
    codec = load_codec(found, device)
    return FrozenCodec(codec, FileDigests(_CACHE / "digests.json").of(weight_file(found)))


def _folders(settings: Settings) -> ModelFolders:
    blobs = stored(settings) or memory_storage().blobs
    model_dir = Path(settings.model_dir) if settings.model_dir else None
    return ModelFolders(CheckpointStore(model_dir, blobs, parse_checksums(settings.model_checksums), _CACHE))


def stored(settings: Settings) -> Blobs | None:
    """What the storage account of the settings holds; ``None`` if they name none.

    Raises ``TrainingError`` if what they name cannot be one.
    """
    if not (settings.storage_connection or settings.storage_account):
        return None
    try:
        return azure_storage(settings).blobs
    except ValueError as error:
        raise TrainingError(f"AzureWebJobsStorage names no storage account: {error}") from error
