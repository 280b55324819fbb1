"""The ``encodec`` engine: bridges by a model of one's own between the encoder and the decoder of EnCodec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from core.engines.catalogue import ENCODEC
from core.engines.digests import digest_of_digests
from core.errors import EngineUnavailable, ModelNotFound

if TYPE_CHECKING:
    from core.engines.compute import Compute
    from core.engines.encodec.bridger import EncodecBridger
    from core.engines.warm import WarmModels
    from core.engines.weights import ModelFolders
    from core.ports import Bridger

CODEC, PUBLISHED_CODEC = "24khz", "facebook/encodec_24khz"
"""The codec's name beside those of the bridges, and on the hub."""

_ROW_BYTES = 300 * 2**20
"""What the codec takes for 16 s of one channel beyond its weights, in float32."""

_MOST_ROWS = 16
"""However much memory there is: nothing of a batch is heard, and no progress told, before the whole is done."""


class EncodecEngine:
    """A ``BridgeEngine``. Its models share their warm places with those of other engines."""

    info = ENCODEC

    def __init__(
        self, folders: ModelFolders, models: WarmModels, device: str, precision: str, batch_memory_bytes: int
    ) -> None:
        """Load nothing yet.

        Args:
            folders: where the weights are found.
            models: where loaded models are kept.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
            precision: ``auto``, ``float32``, ``bfloat16``, ``float16`` or ``int8``, which is ``auto`` here.
            batch_memory_bytes: the most that a batch on a GPU may take; 0 is a quarter of what it has.
        """
        self._folders, self._models = folders, models
        self._device, self._precision, self._batch_memory_bytes = device, precision, batch_memory_bytes

    def loaded(self) -> dict[str, str | None]:
        """The models that are kept warm, each with the SHA-256 of its weights."""
        warm = self._models.loaded()
        return {model: bridger.weights for (engine, model), bridger in warm.items() if engine == self.info.name}

    @contextmanager
    def load(self, model: str | None, wait: Callable[[], None]) -> Iterator[Bridger]:
        """The model of this name; see ``BridgeEngine``. Weights are looked for only if it is not warm."""
        info = self.info.model(model)
        find, compute = cache(partial(self._find, info.name)), self._compute()
        if info.name not in self.loaded():
            find()  # before any model gives up its place for one that may not exist
        key = self.info.name, info.name
        with self._models.hold(key, info.memory_bytes, lambda: self._load(find(), compute), wait) as bridger:
            yield bridger

    def _compute(self) -> Compute:
        try:
            from core.engines.compute import Compute
            from core.engines.encodec import bridger  # noqa: F401 - what it needs is there, or nothing is done

            return Compute.choose(self._device, self._precision)
        except ImportError as error:
            raise EngineUnavailable(
                f"encodec is not installed here ({error.name} is missing): run make setup-gpu"
            ) from error

    def _find(self, model: str) -> _Files:
        """The bridge first: it is the operator's own, and the codec is downloaded for nothing without it."""
        from core.engines.encodec.checkpoint import FILE
        from core.engines.encodec.codec_files import PATTERNS, weight_file

        try:
            bridge = self._folders.find(self.info.name, model, None, [FILE])
        except ModelNotFound as error:
            raise ModelNotFound(
                f"{error.detail}; make train-bridge makes a {FILE} out of music of one's own"
            ) from error
        codec = self._folders.find(self.info.name, CODEC, PUBLISHED_CODEC, PATTERNS)
        return _Files(bridge / FILE, weight_file(codec))

    def _load(self, files: _Files, compute: Compute) -> EncodecBridger:
        from core.allocator import keep_freed_memory
        from core.engines.encodec.bridger import EncodecBridger
        from core.engines.encodec.checkpoint import load_cascade
        from core.engines.encodec.codec_files import load_codec

        keep_freed_memory()
        codec = load_codec(files.codec.parent, compute.device)
        cascade = load_cascade(files.bridge, codec.dimension).fold().to(compute.device)
        weights = digest_of_digests(self._folders.digest(file.parent, [file.name]) for file in files)
        return EncodecBridger(codec, cascade, compute, weights, most_rows(compute.device, self._batch_memory_bytes))


def most_rows(device: str, memory_bytes: int) -> int:
    """How many segments of one channel are computed at once, at least one; ``memory_bytes`` of 0 is a quarter.

    On a CPU more than one is no faster, and takes their memory.
    """
    from core.engines.memory import device_memory_bytes

    if device == "cpu":
        return 1
    rows = (memory_bytes or device_memory_bytes(device) // 4) // _ROW_BYTES
    return min(max(rows, 1), _MOST_ROWS)


class _Files(NamedTuple):
    bridge: Path
    codec: Path
