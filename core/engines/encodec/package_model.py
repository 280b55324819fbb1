"""The encodec package's own checkpoints: a state dict and nothing else, whose tensors tell the sizes."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from core.engines.encodec.checkpoint import check_fit, is_state, read_checkpoint
from core.engines.encodec.codec import BANDWIDTH, SAMPLE_RATE
from core.engines.standins import StandIns, stand_in
from core.errors import EngineUnavailable, WeightsMismatch

_TRANSPOSED = re.compile(r"decoder\.model\.(\d+)\.convtr\.convtr\.weight_v")
_CODEBOOK = re.compile(r"quantizer\.vq\.layers\.\d+\._codebook\.embed")

# encodec/utils.py imports it for the resampling of files and for saving them
_STAND_INS = StandIns("encodec", [stand_in("torchaudio")])


def load_model(path: Path) -> Any:
    """``encodec.EncodecModel`` of 24 kHz with the weights of a file such as ``encodec_24khz-d7cc33bc.th``.

    Raises:
        WeightsMismatch: it holds another model.
        EngineUnavailable: it cannot be read, or the package is not installed.
    """
    import_package()
    state = read_checkpoint(path)
    if not is_state(state):
        raise WeightsMismatch(f"{path} holds no EnCodec of the encodec package: tensors by their names, nothing else")
    try:
        with torch.device("meta"):  # shapes alone; the file's tensors become the model's
            model = build_model(**_sizes(state))
    except KeyError as error:
        raise WeightsMismatch(f"{path} holds no EnCodec of the encodec package: {error} is missing") from error
    except (ValueError, LookupError, AssertionError, RuntimeError) as error:
        raise WeightsMismatch(f"{path} holds no EnCodec of the encodec package's shape: {error}") from error
    check_fit(model.state_dict(), state, str(path))
    model.load_state_dict(state, assign=True)
    return model


def build_model(
    *, channels: int, dimension: int, num_filters: int, ratios: list[int], num_codebooks: int, bins: int
) -> Any:
    """``encodec.EncodecModel`` in the form of the released one at 24 kHz, with random weights.

    Args:
        dimension: of the latents.
        num_filters: of the outermost layers; doubled at each of ``ratios``.
        ratios: of the decoder's upsampling, in order; the released model's are 8, 5, 4 and 2.
        num_codebooks: that there are, of ``bins`` entries, a power of two; 6.0 kbps may need less.
    """
    encodec = import_package()
    form = {"channels": channels, "dimension": dimension, "n_filters": num_filters, "ratios": ratios, "causal": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's, that the package's weight norm is an older form
        encoder, decoder = encodec.modules.SEANetEncoder(**form), encodec.modules.SEANetDecoder(**form)
    quantizer = encodec.quantization.ResidualVectorQuantizer(dimension=dimension, n_q=num_codebooks, bins=bins)
    return encodec.EncodecModel(encoder, decoder, quantizer, [BANDWIDTH], SAMPLE_RATE, channels)


def import_package() -> ModuleType:
    """The package ``encodec``. Raises ``EngineUnavailable`` if it, or a package that it does need, is not installed."""
    try:
        return _STAND_INS.import_module("encodec")
    except ImportError as error:
        raise EngineUnavailable(f"the encodec package cannot be imported ({error}): run make setup-gpu") from error


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What ``build_model`` takes. Raises ``KeyError`` for a tensor that is missing."""
    first = state["encoder.model.0.conv.conv.weight_v"]  # [filters, channels, kernel]
    codebook = state["quantizer.vq.layers.0._codebook.embed"]  # [bins, dimension]
    transposed = sorted((int(match[1]), name) for name in state if (match := _TRANSPOSED.fullmatch(name)))
    return {
        "channels": first.shape[1],
        "dimension": codebook.shape[1],
        "num_filters": first.shape[0],
        "ratios": [state[name].shape[-1] // 2 for _, name in transposed],  # kernels are twice as long
        "num_codebooks": sum(1 for name in state if _CODEBOOK.fullmatch(name)),
        "bins": codebook.shape[0],
    }
