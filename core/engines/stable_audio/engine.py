"""The ``stable_audio`` engine: latent diffusion by Evans et al., "Stable Audio Open" (2024), through diffusers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from core.engines.catalogue import STABLE_AUDIO
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    from core.engines.compute import Compute
    from core.engines.stable_audio.renderer import StableAudioRenderer
    from core.engines.warm import WarmModels
    from core.engines.weights import ModelFolders
    from core.ports import Renderer


_ROW_BYTES = 400 * 2**20
"""What a step of Stable Audio Open's transformer takes for a stem with guidance beyond the weights, in float32."""


class StableAudioEngine:
    """A ``GenerationEngine``. Its models share their warm places with those of other engines."""

    info = STABLE_AUDIO

    def __init__(
        self, folders: ModelFolders, models: WarmModels, device: str, precision: str, batch_memory_bytes: int
    ) -> None:
        """Load nothing yet.

        Args:
            folders: where the weights are found.
            models: where loaded models are kept.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``, which is ``auto`` here.
            batch_memory_bytes: the most that the stems of a batch may take; 0 is a quarter of what the device has.
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
        find, compute = cache(partial(self._find, info.name, info.weights)), self._compute()
        if info.name not in self.loaded():
            find()  # before any model gives up its place for one that may not exist
        size_bytes = info.memory_bytes // (1 if compute.precision == "float32" else 2)
        key = self.info.name, info.name
        with self._models.hold(key, size_bytes, lambda: self._load(find(), compute), wait) as renderer:
            yield renderer

    def _compute(self) -> Compute:
        try:
            from core.engines.compute import Compute
            from core.engines.stable_audio import pipeline  # noqa: F401 - what it needs is there, or nothing is done

            return Compute.choose(self._device, self._precision)
        except ImportError as error:
            raise EngineUnavailable(
                f"stable_audio is not installed here ({error.name} is missing): run make setup-gpu"
            ) from error

    def _find(self, model: str, published: str | None) -> Path:
        from core.engines.stable_audio.pipeline import PATTERNS

        return self._folders.find(self.info.name, model, published, PATTERNS)

    def _load(self, folder: Path, compute: Compute) -> StableAudioRenderer:
        from core.engines.memory import device_memory_bytes
        from core.engines.stable_audio.pipeline import WEIGHTS, load_pipeline
        from core.engines.stable_audio.renderer import StableAudioRenderer
        from core.engines.weights import matching

        pipeline = load_pipeline(folder, compute)
        memory_bytes = self._batch_memory_bytes or device_memory_bytes(compute.device) // 4
        most_rows = max(1, memory_bytes // _ROW_BYTES)
        digest = self._folders.digest(folder, matching(folder, WEIGHTS))
        return StableAudioRenderer(pipeline, digest, f"{compute.precision} on {compute.device}", most_rows)
