"""Lets audiocraft be imported without the packages that it imports and never needs here.

audiocraft 1.3.0 pins versions that nothing current runs beside, so it is installed without its dependencies
(``requirements-gpu-nodeps.txt``). Those that loading a model and generating with it do use are installed; the others
serve training, data sets and metrics, and are stood in for.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from core.engines.standins import StandIns, stand_in
from core.errors import EngineUnavailable


def audiocraft_models() -> ModuleType:
    """The module ``audiocraft.models``, imported at the first call; safe to call from several threads.

    Raises:
        EngineUnavailable: audiocraft, or a package that it does need, is not installed.
    """
    try:
        return _STAND_INS.import_module("audiocraft.models")
    except ImportError as error:
        raise EngineUnavailable(f"audiocraft cannot be imported ({error}): run make setup-gpu") from error


class _Unused:
    """Stands for what is named and never used."""


class _LowerTriangularMask:
    """What attention is handed to say that it is causal; torch's attention looks only at whether there is one."""


def _unbind(packed: Any, dim: int) -> Any:
    """Tell query, key and value apart: xformers' is torch's own, but for the gradient."""
    return packed.unbind(dim)


def _modules() -> list[ModuleType]:
    """Every module that is stood in for, with what is taken from it."""
    return [
        # modules/conditioners.py, for a tokenizer that no MusicGen uses
        stand_in("num2words", num2words=_Unused),
        stand_in("spacy"),
        # modules/chroma.py and data/audio_utils.py, for the melody's spectrogram (ours: melody.py) and loudness
        stand_in("torchaudio"),
        # modules/chroma.py, for the melody's filters (ours: melody.py)
        stand_in("librosa", filters=stand_in("librosa.filters")),
        # quantization/core_vq.py and utils/, to train on several machines
        stand_in("flashy", distrib=stand_in("flashy.distrib")),
        stand_in("flashy.distrib"),
        # modules/transformer.py; its attention is torch's unless it is told otherwise, and never this one
        ops := stand_in(
            "xformers.ops", unbind=_unbind, LowerTriangularMask=_LowerTriangularMask, memory_efficient_attention=None
        ),
        stand_in("xformers", ops=ops),
        # modules/transformer.py, at every step: that it finds no profiler in it is the answer it wants
        stand_in("xformers.profiler"),
        # models/multibanddiffusion.py, another decoder; it leads to everything that training needs
        stand_in("audiocraft.solvers.compression", CompressionSolver=_Unused),
    ]


_STAND_INS = StandIns("audiocraft", _modules())
