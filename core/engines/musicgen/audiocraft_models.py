"""Models in audiocraft's own format: ``MusicGen.get_pretrained(<folder>)`` as a ``MusicModel``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from core.engines.musicgen.audiocraft_loading import WEIGHT_FILES, get_pretrained
from core.engines.musicgen.codec import EncodecCodec
from core.engines.musicgen.encodec import from_audiocraft, from_transformers
from core.engines.musicgen.melody import PITCH_CLASSES, SAMPLE_RATE, MelodyConditioner
from core.engines.musicgen.model import Conditioner, CrossAttention, LanguageModel, Layer, MusicModel, Norm
from core.engines.musicgen.text import TextConditioner, TextEncoder, load_t5
from core.errors import EngineUnavailable

__all__ = ["WEIGHT_FILES", "language_model", "load"]

_KNOWN: Mapping[str, object] = {
    "lm_model": "transformer_lm",
    "transformer_lm.activation": "gelu",
    "transformer_lm.bias_attn": False,
    "transformer_lm.bias_ff": False,
    "transformer_lm.bias_proj": False,
    "transformer_lm.causal": True,
    "transformer_lm.norm_first": True,
    "conditioners.description.model": "t5",
}
"""The settings that ``decoder.py`` and ``text.py`` are right for, where audiocraft's own defaults are others."""

_KNOWN_DEFAULTS: Mapping[str, object] = {
    "transformer_lm.kv_repeat": 1,
    "transformer_lm.layer_scale": None,
    "transformer_lm.max_period": 10000,
    "transformer_lm.norm": "layer_norm",
    "transformer_lm.past_context": None,
    "transformer_lm.positional_embedding": "sin",
    "transformer_lm.positional_scale": 1,
    "transformer_lm.qk_layer_norm": False,
    "transformer_lm.qk_layer_norm_cross": False,
    "fuser.cross_attention_pos_emb": False,
    "conditioners.description.t5.normalize_text": False,
    "interleave_stereo_codebooks.per_timestep": False,
}
"""Those that may be missing as well."""

_KNOWN_MELODY: Mapping[str, object] = {
    "conditioners.self_wav.model": "chroma_stem",
    "conditioners.self_wav.chroma_stem.argmax": True,
    "conditioners.self_wav.chroma_stem.n_chroma": PITCH_CLASSES,
    "conditioners.self_wav.chroma_stem.radix2_exp": 14,
    "conditioners.self_wav.chroma_stem.sample_rate": SAMPLE_RATE,
}
"""Those that ``melody.py`` is right for."""


def load(folder: Path, find: Callable[[str], Path], device: str, digest: str) -> MusicModel:
    """The model in ``folder``; its language model stays a file, in the file's precision, until it is computed with.

    Args:
        find: the folder of another published model, by its name: the T5 that the model was trained with, and the codec
            if the package only names it. Asked if there is no folder of that name in ``folder``.
        device: where text and codec are computed.
        digest: SHA-256 of ``WEIGHT_FILES``.

    Raises:
        ModelNotFound: a file is missing; or as ``find`` does.
        EngineUnavailable: a file is damaged, or its model is of a form that is not known here.
    """

    def beside(name: str) -> Path:
        inside = folder / name.rpartition("/")[2]
        return inside if inside.is_dir() else find(name)

    music_gen = get_pretrained(folder, beside)
    follows_melody = _check_known(music_gen.cfg, music_gen.lm)
    return MusicModel(
        loader="audiocraft",
        language_model=language_model(music_gen.lm),
        conditioner=_conditioner(music_gen, beside, device),
        codec=_codec(music_gen.compression_model, device),
        window_seconds=float(music_gen.max_duration),
        digest=digest,
        follows_melody=follows_melody,
    )


def language_model(lm: Any) -> LanguageModel:
    """The weights of audiocraft's ``LMModel``, not copied."""
    return LanguageModel(
        embeddings=tuple(embedding.weight.data for embedding in lm.emb),
        layers=tuple(_layer(layer) for layer in lm.transformer.layers),
        out_norm=_norm(lm.out_norm),
        heads=tuple(head.weight.data for head in lm.linears),
        num_heads=_attention(lm.transformer.layers[0].self_attn).num_heads,
        delays=tuple(lm.pattern_provider.delays),
    )


def _layer(layer: Any) -> Layer:
    attention = _attention(layer.self_attn)
    return Layer(
        attention_norm=_norm(layer.norm1),
        attention_in=attention.in_proj_weight.data,
        attention_out=attention.out_proj.weight.data,
        cross=None if layer.cross_attention is None else _cross_attention(layer),
        linear_norm=_norm(layer.norm2),
        linear1=layer.linear1.weight.data,
        linear2=layer.linear2.weight.data,
    )


def _cross_attention(layer: Any) -> CrossAttention:
    attention = _attention(layer.cross_attention)
    weight, width = attention.in_proj_weight.data, attention.embed_dim
    return CrossAttention(_norm(layer.norm_cross), weight[:width], weight[width:], attention.out_proj.weight.data)


def _attention(attention: Any) -> Any:
    """The module that has the weights: audiocraft's own, or torch's within it."""
    return getattr(attention, "mha", attention)


def _norm(norm: Any) -> Norm:
    return Norm(norm.weight.data, norm.bias.data)


def _conditioner(music_gen: Any, find: Callable[[str], Path], device: str) -> Conditioner:
    projections = music_gen.lm.condition_provider.conditioners
    description = projections["description"].output_proj
    tokenizer, t5 = load_t5(find(music_gen.cfg.conditioners.description.t5.name), device)
    text = TextEncoder(tokenizer, t5, description.weight.data, description.bias.data)
    if "self_wav" not in projections:
        return TextConditioner(text)
    melody = projections["self_wav"].output_proj
    return MelodyConditioner(text, melody.weight.data, melody.bias.data, music_gen.max_duration)


def _codec(compression_model: Any, device: str) -> EncodecCodec:
    stereo = hasattr(compression_model, "per_timestep")  # it is a wrapper then, around a mono model
    mono = (compression_model.model if stereo else compression_model).to(device)
    if hasattr(mono, "possible_num_codebooks"):  # likewise, around one of transformers'
        return EncodecCodec(from_transformers(mono.model, mono.num_codebooks), stereo)
    return EncodecCodec(from_audiocraft(mono), stereo)


def _check_known(settings: Any, lm: Any) -> bool:
    """Refuse what would be computed otherwise than it was trained; whether the model follows melodies."""
    from omegaconf import OmegaConf

    follows_melody = "self_wav" in lm.condition_provider.conditioners
    for path, known in {**_KNOWN, **_KNOWN_DEFAULTS, **(_KNOWN_MELODY if follows_melody else {})}.items():
        default = known if path in _KNOWN_DEFAULTS else None
        _expect(path, OmegaConf.select(settings, path, default=default), known)
    fused = {way: set(names) for way, names in lm.fuser.fuse2cond.items() if names}
    _expect("fuser", fused, {"prepend": {"description", "self_wav"}} if follows_melody else {"cross": {"description"}})
    pattern = lm.pattern_provider
    _expect("codebooks_pattern.modeling", type(pattern).__name__, "DelayedPatternProvider")
    _expect("codebooks_pattern.delay", (pattern.flatten_first, pattern.empty_initial), (0, 0))
    return follows_melody


def _expect(name: str, found: object, known: object) -> None:
    if found != known:
        raise EngineUnavailable(
            f"the model has {name} {found!r}, and only {known!r} is known here: use one of the models by their "
            "published names, or one that was trained with their settings"
        )
