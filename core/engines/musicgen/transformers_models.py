"""Models of transformers' own format, loaded through ``MusicgenForConditionalGeneration`` or its melody counterpart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from core.engines.musicgen.codec import EncodecCodec
from core.engines.musicgen.encodec import from_transformers
from core.engines.musicgen.melody import HOP_LENGTH, SAMPLE_RATE, MelodyConditioner
from core.engines.musicgen.model import Conditioner, CrossAttention, LanguageModel, Layer, MusicModel, Norm
from core.engines.musicgen.text import TextConditioner, TextEncoder, load_tokenizer
from core.errors import EngineUnavailable, ModelNotFound

CONFIGURATION_FILE = "config.json"
WEIGHTS = ("*.safetensors",)
PATTERNS = (*WEIGHTS, "*.json", "spiece.model")
"""The files that are wanted of a published model; pickled weights are not."""

_WINDOW_SECONDS = 30.0  # of all released models; the format has no field for it but the longest generation's


def load(folder: Path, device: str, digest: str) -> MusicModel:
    """The model in ``folder``; its language model's weights stay in the file's precision, on the CPU.

    Args:
        device: where text and codec are computed.
        digest: SHA-256 of the weights.

    Raises:
        ModelNotFound: a file is missing.
        EngineUnavailable: a file is damaged, or its model is of a form that is not known here.
    """
    model = _pretrained(folder)
    decoder = model.config.decoder
    _check_known(model.config)
    stereo = decoder.audio_channels == 2
    codec = EncodecCodec(
        from_transformers(model.audio_encoder.to(device), decoder.num_codebooks // decoder.audio_channels), stereo
    )
    return MusicModel(
        loader="transformers",
        language_model=language_model(model.decoder, decoder.num_attention_heads, decoder.audio_channels),
        conditioner=_conditioner(model, folder, device),
        codec=codec,
        window_seconds=_window_seconds(model, codec.frame_rate),
        digest=digest,
        follows_melody=hasattr(model.config, "num_chroma"),
    )


def language_model(model: Any, num_heads: int, channels: int) -> LanguageModel:
    """The weights of ``MusicgenForCausalLM`` or its melody counterpart; only query, key and value are copied together.

    Each codebook lags one step behind the one before it; in stereo, left and right go side by side.
    """
    decoder = model.model.decoder
    return LanguageModel(
        embeddings=tuple(embedding.weight.data for embedding in decoder.embed_tokens),
        layers=tuple(_layer(layer) for layer in decoder.layers),
        out_norm=_norm(decoder.layer_norm),
        heads=tuple(head.weight.data for head in model.lm_heads),
        num_heads=num_heads,
        delays=tuple(index // channels for index in range(len(model.lm_heads))),
    )


def _layer(layer: Any) -> Layer:
    attention = layer.self_attn
    return Layer(
        attention_norm=_norm(layer.self_attn_layer_norm),
        attention_in=_stacked(attention.q_proj, attention.k_proj, attention.v_proj),
        attention_out=attention.out_proj.weight.data,
        cross=_cross_attention(layer) if hasattr(layer, "encoder_attn") else None,
        linear_norm=_norm(layer.final_layer_norm),
        linear1=layer.fc1.weight.data,
        linear2=layer.fc2.weight.data,
    )


def _cross_attention(layer: Any) -> CrossAttention:
    attention = layer.encoder_attn
    return CrossAttention(
        norm=_norm(layer.encoder_attn_layer_norm),
        query=attention.q_proj.weight.data,
        key_value=_stacked(attention.k_proj, attention.v_proj),
        out=attention.out_proj.weight.data,
    )


def _stacked(*projections: Any) -> torch.Tensor:
    return torch.cat([projection.weight.data for projection in projections])


def _norm(norm: Any) -> Norm:
    return Norm(norm.weight.data, norm.bias.data)


def _conditioner(model: Any, folder: Path, device: str) -> Conditioner:
    width = model.config.decoder.hidden_size
    text = TextEncoder(
        load_tokenizer(folder), model.text_encoder.to(device), *_projection(model, "enc_to_dec_proj", width)
    )
    if not hasattr(model.config, "num_chroma"):
        return TextConditioner(text)
    # half a hop more, for the conditioner rounds down to whole ones
    seconds = (model.config.chroma_length - 0.5) * HOP_LENGTH / SAMPLE_RATE
    return MelodyConditioner(text, *_projection(model, "audio_enc_to_dec_proj", width), seconds)


def _projection(model: Any, name: str, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias; a model leaves it out where both sides have the same width."""
    projection = getattr(model, name, None)
    if projection is None:
        return torch.eye(width), torch.zeros(width)
    return projection.weight.data, projection.bias.data


def _window_seconds(model: Any, frame_rate: int) -> float:
    """As long as the longest generation that the model allows of its own accord."""
    longest = model.generation_config.max_length
    return longest / frame_rate if longest else _WINDOW_SECONDS


def _pretrained(folder: Path) -> Any:
    from safetensors import SafetensorError
    from transformers import (
        AutoConfig,
        MusicgenConfig,
        MusicgenForConditionalGeneration,
        MusicgenMelodyConfig,
        MusicgenMelodyForConditionalGeneration,
    )
    from transformers.utils import logging

    if not (folder / CONFIGURATION_FILE).is_file() or not any(folder.glob("*.safetensors")):
        raise ModelNotFound(
            f"{folder} lacks {CONFIGURATION_FILE} or the *.safetensors that make a model of transformers'"
        )
    classes: dict[type, Any] = {
        MusicgenConfig: MusicgenForConditionalGeneration,
        MusicgenMelodyConfig: MusicgenMelodyForConditionalGeneration,
    }
    logging.disable_progress_bar()  # type: ignore[no-untyped-call] # transformers has no types for it
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        if type(config) not in classes:
            raise EngineUnavailable(f"{folder} holds a model of the type {config.model_type!r}, which is no MusicGen")
        model, report = classes[type(config)].from_pretrained(
            folder, config=config, local_files_only=True, use_safetensors=True, dtype="auto", output_loading_info=True
        )
    except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unloadable(folder, error) from error
    # what a file lacks would be drawn at random
    if absent := sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]])):
        raise EngineUnavailable(f"{folder} lacks weights, of them {absent[0]}: fetch its files again")
    return model.eval().requires_grad_(False)


def _unloadable(folder: Path, error: Exception) -> EngineUnavailable:
    reason = " ".join(str(error).split())[:300]
    return EngineUnavailable(
        f"{folder} holds no MusicGen that can be loaded ({type(error).__name__}: {reason}): fetch its files again"
    )


def _check_known(config: Any) -> None:
    """Refuse what the decoder or the codec would compute otherwise than it was trained."""
    decoder, codec = config.decoder, config.audio_encoder
    for name, value, expected in (
        ("text_encoder.model_type", config.text_encoder.model_type, "t5"),
        ("audio_encoder.model_type", codec.model_type, "encodec"),
        ("audio_encoder.codebook_size", codec.codebook_size, decoder.vocab_size),
        ("decoder.activation_function", decoder.activation_function, "gelu"),
        ("decoder.pad_token_id", decoder.pad_token_id, decoder.vocab_size),
    ):
        if value != expected:
            raise EngineUnavailable(f"the model's {name} is {value!r}: only {expected!r} is known here")
