"""The engines there are, and how each is made: it loads its models itself, when one of them is asked for."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from core.engines.catalogue import (
    CATALOGUE,
    DEMUCS,
    ENCODEC,
    MORPH,
    MUSICGEN,
    PLUCKED_STRING,
    SPECTRAL,
    STABLE_AUDIO,
    SYNTH,
)
from core.engines.devices import choose_device, gpu_available
from core.errors import EngineUnavailable
from core.ports import Blobs, BridgeEngine, EngineInfo, GenerationEngine, NoteEngine, SeparationEngine
from core.settings import Settings

if TYPE_CHECKING:
    from core.engines.checkpoints import CheckpointStore
    from core.engines.warm import WarmModels


class EngineRegistry:
    """``Engines`` of this installation; an engine is made at its first use and kept."""

    def __init__(self, settings: Settings, blobs: Blobs) -> None:
        self._settings = settings
        self._blobs = blobs
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()

    def catalogue(self) -> list[EngineInfo]:
        return list(CATALOGUE)

    def loaded(self) -> dict[str, dict[str, str | None]]:
        return {name: models for name, engine in self._made.copy().items() if (models := engine.loaded())}

    def gpu_available(self) -> bool:
        return gpu_available()

    def generation(self, name: str) -> GenerationEngine:
        makers = {SYNTH.name: self._synth, MUSICGEN.name: self._musicgen, STABLE_AUDIO.name: self._stable_audio}
        return cast(GenerationEngine, self._engine("generation", name, makers))

    def separation(self, name: str) -> SeparationEngine:
        makers = {SPECTRAL.name: self._spectral, DEMUCS.name: self._demucs}
        return cast(SeparationEngine, self._engine("separation", name, makers))

    def notes(self, name: str) -> NoteEngine:
        if name == MUSICGEN.name:
            from core.engines.generated_notes import GeneratedNotes

            return GeneratedNotes(self.generation(name))
        return cast(NoteEngine, self._engine("sound", name, {PLUCKED_STRING.name: self._plucked_string}))

    def bridge(self, name: str) -> BridgeEngine:
        makers = {MORPH.name: self._morph, ENCODEC.name: self._encodec}
        return cast(BridgeEngine, self._engine("bridge", name, makers))

    def _engine(self, task: str, name: str, makers: dict[str, Callable[[], Any]]) -> Any:
        if name not in makers:
            raise EngineUnavailable(f"there is no {task} engine {name!r} in this version")
        with self._lock:
            if name not in self._made:
                self._made[name] = makers[name]()
            return self._made[name]

    def _synth(self) -> GenerationEngine:
        from core.engines.synth.engine import SynthEngine

        return SynthEngine()

    def _musicgen(self) -> GenerationEngine:
        from core.engines.musicgen.engine import MusicGenEngine
        from core.engines.weights import ModelFolders

        settings = self._settings
        return MusicGenEngine(
            ModelFolders(self._checkpoints), self._models, settings.torch_device, settings.torch_precision,
            settings.batch_memory_bytes,
        )  # fmt: skip

    def _stable_audio(self) -> GenerationEngine:
        from core.engines.stable_audio.engine import StableAudioEngine
        from core.engines.weights import ModelFolders

        settings = self._settings
        return StableAudioEngine(
            ModelFolders(self._checkpoints), self._models, settings.torch_device, settings.torch_precision,
            settings.batch_memory_bytes,
        )  # fmt: skip

    def _plucked_string(self) -> NoteEngine:
        from core.engines.plucked_string.engine import PluckedStringEngine

        return PluckedStringEngine()

    def _spectral(self) -> SeparationEngine:
        from core.engines.spectral.engine import SpectralEngine

        return SpectralEngine()

    def _demucs(self) -> SeparationEngine:
        from core.engines.demucs.engine import DemucsEngine

        settings = self._settings
        return DemucsEngine(self._checkpoints, self._models, settings.torch_device, settings.torch_precision)

    def _morph(self) -> BridgeEngine:
        from core.engines.morph.engine import MorphEngine

        return MorphEngine()

    def _encodec(self) -> BridgeEngine:
        from core.engines.encodec.engine import EncodecEngine
        from core.engines.weights import ModelFolders

        settings = self._settings
        return EncodecEngine(
            ModelFolders(self._checkpoints), self._models, settings.torch_device, settings.torch_precision,
            settings.batch_memory_bytes,
        )  # fmt: skip

    @cached_property
    def _checkpoints(self) -> CheckpointStore:
        from core.engines.checkpoints import CheckpointStore, parse_checksums

        settings = self._settings
        model_dir = Path(settings.model_dir) if settings.model_dir else None
        cache_dir = Path(tempfile.gettempdir()) / "stemworks-models"
        return CheckpointStore(model_dir, self._blobs, parse_checksums(settings.model_checksums), cache_dir)

    @cached_property
    def _models(self) -> WarmModels:
        from core.engines.warm import WarmModels

        return WarmModels(self._memory_limit_bytes)

    def _memory_limit_bytes(self) -> int:
        """What is set, or half of what the device of the models has."""
        from core.engines.memory import device_memory_bytes

        if self._settings.model_memory_bytes:
            return self._settings.model_memory_bytes
        return device_memory_bytes(choose_device(self._settings.torch_device)) // 2
