"""Lets audiocraft be imported without the packages that it imports and never needs here.

audiocraft 1.3.0 pins versions that nothing current runs beside, so it is installed without its dependencies
(``requirements-gpu-nodeps.txt``). Those that loading a model and generating with it do use are installed; the others
serve training, data sets and metrics. They are stood in for, whether or not they are installed, so that every
installation does the same.

The stand-ins are seen by audiocraft's own modules alone: these are run with an ``__import__`` that knows them. Nothing
is put into ``sys.modules``, and so no other library is led to believe that torchaudio or xformers were there.
"""

from __future__ import annotations

import builtins
import importlib
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import resolve_name
from types import ModuleType
from typing import Any

from core.errors import EngineUnavailable

_AUDIOCRAFT = "audiocraft"


def audiocraft_models() -> ModuleType:
    """The module ``audiocraft.models``, imported at the first call; safe to call from several threads.

    Raises:
        EngineUnavailable: audiocraft, or a package that it does need, is not installed.
    """
    with _lock:
        if not any(isinstance(finder, _AudiocraftFinder) for finder in sys.meta_path):
            sys.meta_path.insert(0, _AudiocraftFinder())
        try:
            return importlib.import_module("audiocraft.models")
        except ImportError as error:
            raise EngineUnavailable(f"audiocraft cannot be imported ({error}): run make setup-gpu") from error


class _Unused:
    """Stands for what is named and never used."""


class _LowerTriangularMask:
    """What attention is handed to say that it is causal; torch's attention looks only at whether there is one."""


def _unbind(packed: Any, dim: int) -> Any:
    """Tell query, key and value apart: xformers' is torch's own, but for the gradient."""
    return packed.unbind(dim)


def _module(name: str, **attributes: object) -> ModuleType:
    module = ModuleType(name, "A stand-in: see core.engines.musicgen.standins.")
    vars(module).update(attributes)
    return module


def _stand_ins() -> dict[str, ModuleType]:
    """Every module that is stood in for, by its full name, with what is taken from it."""
    modules = [
        # modules/conditioners.py, for a tokenizer that no MusicGen uses
        _module("num2words", num2words=_Unused),
        _module("spacy"),
        # modules/chroma.py and data/audio_utils.py, for the melody's spectrogram (ours: melody.py) and loudness
        _module("torchaudio"),
        # modules/chroma.py, for the melody's filters (ours: melody.py)
        _module("librosa", filters=_module("librosa.filters")),
        # quantization/core_vq.py and utils/, to train on several machines
        _module("flashy", distrib=_module("flashy.distrib")),
        _module("flashy.distrib"),
        # modules/transformer.py; its attention is torch's unless it is told otherwise, and never this one
        ops := _module(
            "xformers.ops", unbind=_unbind, LowerTriangularMask=_LowerTriangularMask, memory_efficient_attention=None
        ),
        _module("xformers", ops=ops),
        # modules/transformer.py, at every step: that it finds no profiler in it is the answer it wants
        _module("xformers.profiler"),
        # models/multibanddiffusion.py, another decoder; it leads to everything that training needs
        _module("audiocraft.solvers.compression", CompressionSolver=_Unused),
    ]
    return {module.__name__: module for module in modules}


_lock = threading.Lock()
_STAND_INS = _stand_ins()


def _import(
    name: str,
    namespace: Mapping[str, Any] | None = None,
    local: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """``__import__`` as audiocraft's modules see it; parameters as of the built-in one."""
    full_name = resolve_name("." * level + name, (namespace or {}).get("__package__"))
    if full_name not in _STAND_INS:
        return builtins.__import__(name, namespace, local, fromlist or (), level)
    return _STAND_INS[full_name if fromlist else full_name.partition(".")[0]]


class _AudiocraftLoader(SourceFileLoader):
    """Runs a module with the ``__import__`` above; its functions keep it, for what they import when they are called."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": _import}
        super().exec_module(module)


class _AudiocraftFinder(MetaPathFinder):
    """Finds audiocraft's modules where they are installed, and nothing else."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != _AUDIOCRAFT:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _AudiocraftLoader(spec.loader.name, spec.loader.path)
        return spec
