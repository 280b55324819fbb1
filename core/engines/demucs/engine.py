"""The ``demucs`` engine: music source separation by the models of Défossez and Rouard, streamed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from core.engines.catalogue import DEMUCS
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    from core.engines.checkpoints import CheckpointStore
    from core.engines.demucs.compute import Compute
    from core.engines.demucs.models import Bag
    from core.ports import SeparationSettings, Separator

DEFAULT_MODEL = "htdemucs"


class DemucsEngine:
    """A ``SeparationEngine``. Keeps the last model loaded: a bag of four takes 700 MB, and loading it a few seconds."""

    info = DEMUCS

    def __init__(self, checkpoints: CheckpointStore, device: str, precision: str) -> None:
        """Load nothing yet.

        Args:
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
            precision: ``auto``, ``float32``, ``bfloat16`` or ``float16``.
        """
        self._checkpoints = checkpoints
        self._device, self._precision = device, precision
        self._warm: tuple[str, Bag, Compute] | None = None
        self._lock = threading.Lock()

    def loaded(self) -> dict[str, str | None]:
        return {warm[0]: warm[1].digest} if (warm := self._warm) else {}

    def load(self, settings: SeparationSettings) -> Separator:
        """The model that ``settings`` name. Raises ``EngineUnavailable``, ``ModelNotFound`` or ``ChecksumMismatch``."""
        try:
            from core.engines.demucs.separator import DemucsSeparator

            bag, compute = self._load_bag(settings.model or DEFAULT_MODEL)
        except ImportError as error:
            raise EngineUnavailable(f"demucs needs the packages torch and demucs: {error}") from error
        return DemucsSeparator(bag, compute, settings)

    def _load_bag(self, name: str) -> tuple[Bag, Compute]:
        from core.allocator import keep_freed_memory
        from core.engines.demucs.compute import Compute
        from core.engines.demucs.fast_layers import use_fast_layers
        from core.engines.demucs.models import load_bag

        with self._lock:
            if self._warm is None or self._warm[0] != name:
                keep_freed_memory()
                compute = Compute.choose(self._device, self._precision)
                self._warm = None  # before the next one is loaded: two may not fit
                bag = load_bag(self._checkpoints, name)
                for model in bag.models:
                    use_fast_layers(model)
                    model.to(compute.device)
                self._warm = name, bag, compute
            return self._warm[1:]
