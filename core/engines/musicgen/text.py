"""Descriptions as MusicGen reads them: the states of T5's encoder, brought to the model's width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from core.engines.musicgen.model import Conditioning
from core.errors import EngineUnavailable

if TYPE_CHECKING:
    from core.ports import Recording


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
        """A description as ``[L, C]``, one row a token; nothing is one row of zeros, which the models take for nothing.

        One at a time, and so without padding: T5's states would depend on it, if only by rounding.
        """
        if not description:
            return self.nothing(1)
        tokens = self._tokenizer([description], return_tensors="pt").to(self._t5.device)
        states = self._t5(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]).last_hidden_state
        return functional.linear(states[0], self._weight, self._bias)

    def nothing(self, tokens: int) -> torch.Tensor:
        """The text that guidance leads away from, ``[L, C]``: zeros, of which attention without biases makes zeros."""
        return torch.zeros(tokens, len(self._bias), device=self._bias.device)


class TextConditioner:
    """The ``Conditioner`` of models that attend to the text in every layer."""

    def __init__(self, text: TextEncoder) -> None:
        self._text = text

    def condition(self, description: str, melody: Recording | None) -> Conditioning:
        """Attention to the description; a melody means nothing to these models."""
        return Conditioning(cross=self._text.encode(description))

    def null(self, conditioning: Conditioning | None = None) -> Conditioning:
        """Attention to nothing, whatever it is the counterpart of."""
        return Conditioning(cross=self._text.nothing(1))


def load_t5(folder: Path, device: str) -> tuple[Any, Any]:
    """T5's tokenizer and encoder from a folder as transformers keeps them.

    Raises:
        EngineUnavailable: a file is missing or damaged.
    """
    from safetensors import SafetensorError
    from transformers import T5EncoderModel, T5Tokenizer

    try:
        tokenizer = T5Tokenizer.from_pretrained(folder, local_files_only=True)
        t5: Any = T5EncoderModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise EngineUnavailable(f"{folder} holds no T5 that can be loaded ({reason}): fetch its files again") from error
    return tokenizer, t5.to(device)
