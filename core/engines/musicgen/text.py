"""Descriptions as MusicGen reads them: the states of T5's encoder, brought to the model's width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from core.engines.musicgen.model import Conditioning
from core.errors import EngineUnavailable, ModelNotFound

if TYPE_CHECKING:
    from core.ports import Recording

TOKENIZER_FILES = ("tokenizer.json", "spiece.model")
"""Either is enough."""


class TextEncoder:
    """T5's tokenizer and encoder, and the projection of a model, in float32: it does not survive half precision."""

    def __init__(self, tokenizer: Any, t5: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Take over what was loaded.

        Args:
            tokenizer: of transformers.
            t5: transformers' ``T5EncoderModel``, of width D, on the device that it is to compute on.
            weight: ``[C, D]`` of the projection.
            bias: ``[C]``.
        """
        if weight.shape[1] != t5.config.d_model:
            raise EngineUnavailable(
                f"the model reads text at the width {weight.shape[1]}, and this T5 writes it at {t5.config.d_model}: "
                "put the T5 that the model was trained with beside it"
            )
        self._tokenizer = tokenizer
        self._t5 = t5.float().eval().requires_grad_(False)
        self._weight, self._bias = weight.to(t5.device, torch.float32), bias.to(t5.device, torch.float32)

    @torch.inference_mode()
    def encode(self, description: str) -> torch.Tensor:
        """A description as ``[L, C]``, one row a token; an empty one is a row of zeros, which attention makes zeros of.

        One at a time, and so without padding: T5's states would depend on it, if only by rounding.
        """
        if not description:
            return torch.zeros(1, len(self._bias), device=self._bias.device)
        tokens = self._tokenizer([description], return_tensors="pt").to(self._t5.device)
        states = self._t5(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
        return functional.linear(states[0], self._weight, self._bias)


class TextConditioner:
    """The ``Conditioner`` of models that attend to the text in every layer."""

    def __init__(self, text: TextEncoder) -> None:
        self._text = text

    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        """Attention to the description; a melody means nothing to these models."""
        return Conditioning(cross=self._text.encode(description))

    def null(self) -> Conditioning:
        """Attention to nothing."""
        return Conditioning(cross=self._text.encode(""))


def load_tokenizer(folder: Path) -> Any:
    """T5's tokenizer from a folder as transformers keeps it.

    Raises:
        ModelNotFound: it is not there.
        EngineUnavailable: it is damaged.
    """
    from transformers import T5Tokenizer

    if not any((folder / name).is_file() for name in TOKENIZER_FILES):  # or it would know no words at all
        raise ModelNotFound(f"{folder} lacks T5's tokenizer: put {' or '.join(TOKENIZER_FILES)} into it")
    try:
        return T5Tokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise _unloadable(folder, error) from error


def load_t5(folder: Path, device: str) -> tuple[Any, Any]:
    """T5's tokenizer and encoder from a folder as transformers keeps them.

    Raises:
        EngineUnavailable: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from transformers import T5EncoderModel

    tokenizer = load_tokenizer(folder)
    encoder: Any = T5EncoderModel  # its types leave out what ``output_loading_info`` does
    try:
        t5, report = encoder.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unloadable(folder, error) from error
    if absent := sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]])):  # it was drawn at random
        raise EngineUnavailable(f"{folder} lacks weights of T5, of them {absent[0]}: fetch its files again")
    return tokenizer, t5.to(device)


def _unloadable(folder: Path, error: Exception) -> EngineUnavailable:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return EngineUnavailable(f"{folder} holds no T5 that can be loaded: fetch its files again ({reason})")
