"""Writes the weights of audiocraft's files as transformers keeps them: the names of transformers' own converters."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor
from transformers import (
    EncodecConfig,
    EncodecFeatureExtractor,
    EncodecModel,
    MusicgenConfig,
    MusicgenDecoderConfig,
    MusicgenForConditionalGeneration,
    MusicgenMelodyConfig,
    MusicgenMelodyDecoderConfig,
    MusicgenMelodyForConditionalGeneration,
    T5EncoderModel,
    T5Tokenizer,
)

_LM_NAMES = [
    (r"^emb\.", "decoder.model.decoder.embed_tokens."),
    (r"^linears\.", "decoder.lm_heads."),
    (r"^out_norm\.", "decoder.model.decoder.layer_norm."),
    (r"^transformer\.", "decoder.model.decoder."),
    (r"\.cross_attention\.", ".encoder_attn."),
    (r"\.norm_cross\.", ".encoder_attn_layer_norm."),
    (r"\.norm1\.", ".self_attn_layer_norm."),
    (r"\.norm2\.", ".final_layer_norm."),
    (r"\.linear(\d)\.", r".fc\1."),
    (r"^condition_provider\.conditioners\.description\.output_proj\.", "enc_to_dec_proj."),
    (r"^condition_provider\.conditioners\.self_wav\.output_proj\.", "audio_enc_to_dec_proj."),
]
_CODEC_NAMES = [
    (r"^(encoder|decoder)\.model\.", r"\1.layers."),
    (r"\.convtr\.convtr\.", ".conv."),
    (r"\.conv\.conv\.", ".conv."),
    (r"weight_g$", "parametrizations.weight.original0"),
    (r"weight_v$", "parametrizations.weight.original1"),
    (r"^quantizer\.vq\.", "quantizer."),
    (r"\._codebook\.", ".codebook."),
]


def save_as_transformers(source: Path, folder: Path, lm: dict[str, Any], codec: dict[str, Any]) -> None:
    """Write the packages ``lm`` and ``codec`` and ``source/t5-base`` as one model that transformers loads."""
    settings = yaml.safe_load(lm["xp.cfg"])
    text_encoder = T5EncoderModel.from_pretrained(source / "t5-base")
    audio_encoder = EncodecModel(_codec_config(yaml.safe_load(codec["xp.cfg"])))
    audio_encoder.load_state_dict(renamed(codec["best_state"], _CODEC_NAMES))
    model = _model(settings, text_encoder, audio_encoder)
    missing, unexpected = model.load_state_dict(_lm_state(lm["best_state"]), strict=False)
    assert not unexpected, unexpected
    assert all(name.startswith(("text_encoder.", "audio_encoder.")) or "positions" in name for name in missing), missing
    _set_generation(model, settings)
    model.save_pretrained(folder)
    T5Tokenizer.from_pretrained(source / "t5-base").save_pretrained(folder)
    channels = settings["channels"]
    EncodecFeatureExtractor(channels, settings["sample_rate"], padding_side="left").save_pretrained(folder)


def renamed(state: dict[str, Tensor], names: list[tuple[str, str]]) -> dict[str, Tensor]:
    """The state with every pattern replaced in its names."""
    result = {}
    for name, values in state.items():
        for pattern, replacement in names:
            name = re.sub(pattern, replacement, name)
        result[name] = values
    return result


def _lm_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    result = {}
    for name, values in renamed(state, _LM_NAMES).items():
        if name.endswith("in_proj_weight"):
            for part, weights in zip("qkv", values.chunk(3), strict=True):
                result[name.replace("in_proj_weight", f"{part}_proj.weight")] = weights.clone()
        elif ".chroma." not in name:
            result[name] = values
    return result


def _model(settings: dict[str, Any], text_encoder: T5EncoderModel, audio_encoder: EncodecModel) -> Any:
    melody = "self_wav" in settings["conditioners"]
    shape = settings["transformer_lm"]
    decoder = (MusicgenMelodyDecoderConfig if melody else MusicgenDecoderConfig)(
        vocab_size=shape["card"],
        hidden_size=shape["dim"],
        ffn_dim=shape["dim"] * shape["hidden_scale"],
        num_hidden_layers=shape["num_layers"],
        num_attention_heads=shape["num_heads"],
        num_codebooks=shape["n_q"],
        audio_channels=settings["channels"],
        pad_token_id=shape["card"],
        bos_token_id=shape["card"],
        dropout=0.0,
    )
    parts = {"text_encoder": text_encoder.config, "audio_encoder": audio_encoder.config, "decoder": decoder}
    if melody:
        frames = int(settings["dataset"]["segment_duration"] * settings["sample_rate"]) // 4096 + 1
        config = MusicgenMelodyConfig(**{name: part.to_dict() for name, part in parts.items()}, chroma_length=frames)
        model = MusicgenMelodyForConditionalGeneration(config)
    else:
        model = MusicgenForConditionalGeneration(
            MusicgenConfig(**{name: part.to_dict() for name, part in parts.items()})
        )
    model.text_encoder.load_state_dict(text_encoder.state_dict())
    model.audio_encoder.load_state_dict(audio_encoder.state_dict())
    return model.eval()


def _codec_config(settings: dict[str, Any]) -> EncodecConfig:
    seanet, quantizer = settings["seanet"], settings["rvq"]
    frame_rate = settings["sample_rate"] / math.prod(seanet["ratios"])
    return EncodecConfig(
        target_bandwidths=[quantizer["n_q"] * frame_rate * math.log2(quantizer["bins"]) / 1000],
        sampling_rate=settings["sample_rate"],
        audio_channels=1,
        normalize=False,
        hidden_size=seanet["dimension"],
        num_filters=seanet["n_filters"],
        num_residual_layers=seanet["n_residual_layers"],
        upsampling_ratios=seanet["ratios"],
        norm_type="weight_norm",
        use_causal_conv=seanet["causal"],
        num_lstm_layers=seanet["lstm"],
        codebook_size=quantizer["bins"],
        use_conv_shortcut=not seanet["true_skip"],
    )


def _set_generation(model: Any, settings: dict[str, Any]) -> None:
    cardinality = settings["transformer_lm"]["card"]
    model.generation_config.decoder_start_token_id = cardinality
    model.generation_config.pad_token_id = cardinality
    model.generation_config.do_sample = True
    model.generation_config.max_length = int(settings["dataset"]["segment_duration"] * 50)
    model.generation_config.guidance_scale = 3.0


def load_transformers(folder: Path) -> Any:
    """The model as transformers loads it, to compare with."""
    architecture = yaml.safe_load((folder / "config.json").read_text())["architectures"][0]
    classes = {
        kind.__name__: kind for kind in (MusicgenForConditionalGeneration, MusicgenMelodyForConditionalGeneration)
    }
    with torch.no_grad():
        return classes[architecture].from_pretrained(folder).eval()
