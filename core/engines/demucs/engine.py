"""The ``demucs`` engine: music source separation by the models of Défossez and Rouard, streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from core.engines.catalogue import DEMUCS
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    from core.engines.checkpoints import CheckpointStore
    from core.engines.compute import Compute
    from core.engines.demucs.models import Bag
    from core.engines.warm import WarmModels
    from core.ports import SeparationSettings, Separator


class DemucsEngine:
    """A ``SeparationEngine``. Its models share their warm places with those of other engines."""

    info = DEMUCS

    def __init__(self, checkpoints: CheckpointStore, models: WarmModels, device: str, precision: str) -> None:
        """Load nothing yet.

        Args:
            checkpoints: where the weights are found.
            models: where loaded models are kept.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``, which is ``auto`` here.
        """
        self._checkpoints, self._models = checkpoints, models
        self._device, self._precision = device, precision

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        warm = self._models.loaded()
        return {model: bag.digest for (engine, model), bag in warm.items() if engine == self.info.name}

    @contextmanager
    def load(self, settings: SeparationSettings, wait: Callable[[], None]) -> Iterator[Separator]:
        """The model that ``settings`` name; see ``SeparationEngine``."""
        compute = self._compute()
        from core.engines.demucs.separator import DemucsSeparator

        model = self.info.model(settings.model)
        key = self.info.name, model.name
        with self._models.hold(key, model.memory_bytes, lambda: self._load(model.name, compute.device), wait) as bag:
            yield DemucsSeparator(bag, compute, settings)

    def _compute(self) -> Compute:
        try:
            from core.engines.compute import Compute
            from core.engines.demucs.models import load_bag  # noqa: F401 - what it needs is there, or nothing is done

            return Compute.choose(self._device, self._precision)
        except ImportError as error:
            raise EngineUnavailable(
                f"demucs is not installed here ({error.name} is missing): run make setup-gpu"
            ) from error

    def _load(self, name: str, device: str) -> Bag:
        from core.allocator import keep_freed_memory
        from core.engines.demucs.fast_layers import use_fast_layers
        from core.engines.demucs.models import load_bag

        keep_freed_memory()
        bag = load_bag(self._checkpoints, name)
        for model in bag.models:
            use_fast_layers(model)
            model.to(device)
        return bag
