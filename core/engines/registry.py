"""The engines there are, and how each is loaded."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from core.engines.catalogue import CATALOGUE, DEMUCS, SPECTRAL, SYNTH
from core.engines.devices import gpu_available
from core.errors import EngineUnavailable
from core.ports import Blobs, EngineInfo, GenerationEngine, SeparationEngine
from core.settings import Settings


class EngineRegistry:
    """``Engines`` of this installation; an engine is loaded at its first use and kept."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._settings = settings
        self._blobs = blobs
        self._loaded: dict[str, Any] = {}
        self._lock = threading.Lock()

    def catalogue(self) -> list[EngineInfo]:
        return list(CATALOGUE)

    def loaded(self) -> dict[str, dict[str, str | None]]:
        return {name: models for name, engine in self._loaded.copy().items() if (models := engine.loaded())}

    def gpu_available(self) -> bool:
        return gpu_available()

    def generation(self, name: str) -> GenerationEngine:
        return cast(GenerationEngine, self._engine("generation", name, {SYNTH.name: self._synth}))

    def separation(self, name: str) -> SeparationEngine:
        loaders = {SPECTRAL.name: self._spectral, DEMUCS.name: self._demucs}
        return cast(SeparationEngine, self._engine("separation", name, loaders))

    def _engine(self, task: str, name: str, loaders: dict[str, Callable[[], Any]]) -> Any:
        if name not in loaders:
            raise EngineUnavailable(f"there is no {task} engine {name!r} in this version")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = loaders[name]()
            return self._loaded[name]

    def _synth(self) -> GenerationEngine:
        from core.engines.synth.engine import SynthEngine

        return SynthEngine()

    def _spectral(self) -> SeparationEngine:
        from core.engines.spectral.engine import SpectralEngine

        return SpectralEngine()

    def _demucs(self) -> SeparationEngine:
        from core.engines.checkpoints import CheckpointStore, parse_checksums

        try:
            from core.engines.demucs.engine import DemucsEngine
        except ImportError as error:
            raise EngineUnavailable(
                f"demucs is not installed here ({error.name} is missing): pip install -r requirements-gpu.txt"
            ) from error
        settings = self._settings
        model_dir = Path(settings.model_dir) if settings.model_dir else None
        cache_dir = Path(tempfile.gettempdir()) / "stemworks-models"
        checkpoints = CheckpointStore(model_dir, self._blobs, parse_checksums(settings.model_checksums), cache_dir)
        return DemucsEngine(checkpoints, settings.torch_device, settings.torch_precision)
