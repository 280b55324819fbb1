"""``MusicGen.get_pretrained(<folder>)`` in a fraction of its time, and without running what a file may hold.

audiocraft spends the time on random weights that the file's replace, on reading whole files, and on copying. Here its
models are made on torch's ``meta`` device, which knows shapes alone, and then take the tensors as the file has them,
mapped into memory: what nobody touches is never read. Of its conditioners only the projections are made.
"""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from core.engines.musicgen.melody import PITCH_CLASSES
from core.engines.musicgen.standins import audiocraft_models
from core.errors import EngineUnavailable, ModelNotFound

WEIGHT_FILES = ("state_dict.bin", "compression_state_dict.bin")
"""The language model and the codec."""

_lock = threading.Lock()  # while audiocraft's functions are replaced, which is so for all threads


def get_pretrained(folder: Path, find: Callable[[str], Path]) -> Any:
    """audiocraft's ``MusicGen`` on the CPU, in the files' precision, without text encoder and melody extractor.

    Args:
        find: the folder of a published codec by its name, which a package may have in place of its own.

    Raises:
        ModelNotFound: a file is missing.
        EngineUnavailable: a file is damaged, holds pickled code, or holds no model of audiocraft's.
    """
    for name in WEIGHT_FILES:
        if not (folder / name).is_file():
            raise ModelNotFound(f"{folder / name} is missing: audiocraft's models are {' and '.join(WEIGHT_FILES)}")
    models = audiocraft_models()
    with _lock, _LeanLoading(models.builders, find).replaces(models):
        return models.MusicGen.get_pretrained(str(folder), device="cpu")


class _LeanLoading:
    """Stands in for functions of audiocraft's; failures name the file that was read last, which they are due to."""

    def __init__(self, builders: Any, find: Callable[[str], Path]) -> None:
        self._build_language_model, self._build_codec = builders.get_lm_model, builders.get_compression_model
        self._text_widths = builders.T5Conditioner.MODELS_DIMS
        self._find = find
        self._path = Path()

    @contextmanager
    def replaces(self, models: Any) -> Iterator[None]:
        """Put the methods below where audiocraft looks its functions up."""
        from transformers import EncodecModel

        codecs = _PublishedCodecs(EncodecModel, self._find)
        with ExitStack() as stack:
            for module, name, replacement in (
                (models.loaders, "_get_state_dict", self.read),
                (models.builders, "get_lm_model", partial(self.build, self._build_language_model)),
                (models.builders, "get_compression_model", partial(self.build, self._build_codec)),
                (models.builders, "T5Conditioner", self.text_projection),
                (models.builders, "ChromaStemConditioner", melody_projection),
                (models.encodec, "HFEncodecModel", codecs),
            ):
                stack.callback(setattr, module, name, getattr(module, name))
                setattr(module, name, replacement)
            yield

    def read(self, folder: str | Path, filename: str, **_: object) -> dict[str, Any]:
        """The package in a file: ``xp.cfg``, its settings, and ``best_state``, its tensors, not read yet."""
        from omegaconf import OmegaConf

        self._path = Path(folder) / filename
        with self._blame():
            package: dict[str, Any] = torch.load(self._path, map_location="cpu", mmap=True, weights_only=True)
            if "pretrained" in package:
                return package
            state = package["best_state"]
            return {
                "xp.cfg": OmegaConf.create(package["xp.cfg"]),
                "best_state": {name: state[name] for name in state if ".self_wav.chroma." not in name},
            }

    def build(self, build: Callable[[Any], Any], settings: Any) -> Any:
        """A model without memory; what it is given to load becomes its own."""
        with self._blame(), torch.device("meta"):
            model = build(_on_meta(settings))
        model.load_state_dict = partial(self.assign, model)
        return model

    def assign(self, model: nn.Module, state: dict[str, torch.Tensor]) -> None:
        """Give a model its tensors; names and shapes must be the ones that it expects."""
        with self._blame():
            nn.Module.load_state_dict(model, state, assign=True)
        model.requires_grad_(False)

    def text_projection(self, name: str, output_dim: int, **_: object) -> nn.Module:
        """In place of ``T5Conditioner``."""
        return _Projection(self._text_widths[name], output_dim)

    @contextmanager
    def _blame(self) -> Iterator[None]:
        from omegaconf.errors import OmegaConfBaseException
        from yaml import YAMLError

        try:
            yield
        except pickle.UnpicklingError as error:
            raise EngineUnavailable(
                f"{self._path} is damaged, or holds more than tensors and text; it is not loaded, for that might run "
                "code: fetch it again from where it was published"
            ) from error
        except (OmegaConfBaseException, YAMLError, *_SIGNS_OF_DAMAGE) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise EngineUnavailable(
                f"{self._path} is damaged, or holds no MusicGen of audiocraft's: fetch it again from where it was "
                f"published ({reason})"
            ) from error


_SIGNS_OF_DAMAGE = (AssertionError, AttributeError, EOFError, LookupError, OSError, RuntimeError, TypeError, ValueError)


class _Projection(nn.Module):
    """All that is needed of a conditioner, under the name that its parameters have there."""

    def __init__(self, width: int, output_width: int) -> None:
        super().__init__()
        self.output_proj = nn.Linear(width, output_width)


def melody_projection(output_dim: int, **_: object) -> nn.Module:
    """In place of ``ChromaStemConditioner``."""
    return _Projection(PITCH_CLASSES, output_dim)


class _PublishedCodecs:
    """In place of transformers' ``EncodecModel``, which would look into the hub of its own accord."""

    def __init__(self, encodec_model: Any, find: Callable[[str], Path]) -> None:
        self._encodec_model, self._find = encodec_model, find

    def from_pretrained(self, name: str) -> Any:
        """The codec of that name. Raises as ``find`` does, or ``EngineUnavailable``."""
        folder = self._find(name)
        try:
            return self._encodec_model.from_pretrained(folder, local_files_only=True)
        except _SIGNS_OF_DAMAGE as error:
            raise EngineUnavailable(f"{folder} holds no EnCodec that can be loaded: fetch its files again") from error


def _on_meta(settings: Any) -> Any:
    settings = settings.copy()
    settings.device = "meta"
    return settings
