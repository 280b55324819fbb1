"""The ``musicgen`` engine: Copet et al., "Simple and Controllable Music Generation" (2023)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.engines.catalogue import MUSICGEN
from core.errors import EngineUnavailable, ModelNotFound

if TYPE_CHECKING:
    from core.engines.musicgen.model import MusicModel
    from core.engines.musicgen.renderer import MusicGenRenderer
    from core.engines.warm import WarmModels
    from core.engines.weights import ModelFolders
    from core.ports import ModelInfo, Renderer

_SHARES = {"float32": 1.0, "bfloat16": 0.5, "float16": 0.5, "int8": 0.25}
"""What is left of a language model's size in float32."""

_OTHER_BYTES = 170 * 4_000_000  # of a model's size: the codec and T5 base, which are in float32 always


class MusicGenEngine:
    """A ``GenerationEngine``. Its models share their warm places with those of other engines."""

    info = MUSICGEN

    def __init__(
        self, folders: ModelFolders, models: WarmModels, device: str, precision: str, batch_memory_bytes: int
    ) -> None:
        """Load nothing yet.

        Args:
            folders: where the weights are found.
            models: where loaded models are kept.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``: of the language model.
            batch_memory_bytes: the most that the rows of a batch may hold; 0 is a quarter of what the device has.
        """
        self._folders, self._models = folders, models
        self._device, self._precision, self._batch_memory_bytes = device, precision, batch_memory_bytes

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        warm = self._models.loaded()
        return {model: renderer.weights for (engine, model), renderer in warm.items() if engine == self.info.name}

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[Renderer]:
        """The model of this name; see ``GenerationEngine``. Weights are looked for only if it is not warm."""
        info = self.info.model(model)
        device, precision = self._compute()
        find = cache(partial(self._find, info))
        if info.name not in self.loaded():
            find()  # before any model gives up its place for one that may not exist
        size_bytes = _OTHER_BYTES + int((info.memory_bytes - _OTHER_BYTES) * _SHARES[precision])
        key = self.info.name, info.name
        with self._models.hold(key, size_bytes, lambda: self._load(find(), device, precision), wait) as renderer:
            yield renderer

    def _compute(self) -> tuple[str, str]:
        with _needing_packages():
            from core.engines.musicgen.precision import choose
            from core.engines.musicgen.renderer import MusicGenRenderer  # noqa: F401 - nothing is done if it is missing

            return choose(self._device, self._precision)

    def _find(self, info: ModelInfo) -> Path:
        """The model's folder; of the two formats the hub may have, audiocraft's is the smaller."""
        from core.engines.musicgen.audiocraft_loading import WEIGHT_FILES as published
        from core.engines.musicgen.transformers_models import PATTERNS as known

        try:
            return self._folders.find(self.info.name, info.name, None, (*published, *known))
        except ModelNotFound:
            if info.weights is None:
                raise
        try:
            return self._folders.find(self.info.name, info.name, info.weights, published)
        except ModelNotFound:
            return self._folders.find(self.info.name, info.name, info.weights, known)

    def _load(self, folder: Path, device: str, precision: str) -> MusicGenRenderer:
        with _needing_packages():
            from core.allocator import keep_freed_memory
            from core.engines.memory import device_memory_bytes
            from core.engines.musicgen.batching import Batcher
            from core.engines.musicgen.decoder import Decoder
            from core.engines.musicgen.renderer import MusicGenRenderer

            keep_freed_memory()
            model = self._load_model(folder, device)
            memory_bytes = self._batch_memory_bytes or device_memory_bytes(device) // 4
            batcher = Batcher(Decoder(model.language_model, precision, device), memory_bytes)
            return MusicGenRenderer(model, batcher, f"{precision} on {device}")

    def _load_model(self, folder: Path, device: str) -> MusicModel:
        from core.engines.musicgen import audiocraft_models, transformers_models
        from core.engines.musicgen.audiocraft_loading import WEIGHT_FILES
        from core.engines.weights import matching

        if files := matching(folder, WEIGHT_FILES):
            return audiocraft_models.load(folder, self._find_part, device, self._folders.digest(folder, files))
        files = matching(folder, transformers_models.WEIGHTS)
        return transformers_models.load(folder, device, self._folders.digest(folder, files))

    def _find_part(self, name: str) -> Path:
        """The folder of a model that audiocraft's packages only name: T5, or the codec."""
        from core.engines.musicgen import transformers_models

        published = name if "/" in name else f"google-t5/{name}"
        return self._folders.find(self.info.name, name, published, transformers_models.PATTERNS)


@contextmanager
def _needing_packages() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise EngineUnavailable(
            f"musicgen is not installed here ({error.name} is missing): run make setup-gpu"
        ) from error
