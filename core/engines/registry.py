"""The engines there are, what is known of each, and how it is loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.engines.catalogue import SYNTH
from core.engines.devices import gpu_available
from core.errors import EngineUnavailable
from core.ports import EngineInfo, GenerationEngine


def _synth() -> GenerationEngine:
    from core.engines.synth.engine import SynthEngine

    return SynthEngine()


_GENERATION: dict[str, tuple[EngineInfo, Callable[[], GenerationEngine]]] = {
    SYNTH.name: (SYNTH, _synth),
}


class EngineRegistry:
    """``Engines`` of this installation; an engine is loaded at its first use and kept."""

    def __init__(self) -> None:
        self._loaded: dict[str, GenerationEngine] = {}
        self._lock = threading.Lock()

    def catalogue(self) -> list[EngineInfo]:
        return [info for info, _ in _GENERATION.values()]

    def loaded(self) -> set[str]:
        return set(self._loaded)

    def gpu_available(self) -> bool:
        return gpu_available()

    def generation(self, name: str) -> GenerationEngine:
        if name not in _GENERATION:
            raise EngineUnavailable(f"there is no generation engine {name!r} in this version")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = _GENERATION[name][1]()
            return self._loaded[name]
