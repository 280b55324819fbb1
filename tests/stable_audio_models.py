"""Tiny Stable Audio pipelines with random weights, saved the way the released one is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderOobleck,
    CosineDPMSolverMultistepScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
)
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

SAMPLE_RATE = 44100
LONGEST_SECONDS = 1.0
_RATIOS = [4, 8, 8]
_WORDS = ["a", "the", "warm", "slow", "loud", "drum", "bass", "line", "piano", "rock", "no", "noise"]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For the modules that import it: small models on several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def pipeline(seed: int = 0) -> Any:
    """All six parts at the width 16, at the real sample rate; a step of the latents is 256 frames."""
    torch.manual_seed(seed)
    vae = AutoencoderOobleck(
        encoder_hidden_size=4, downsampling_ratios=_RATIOS, channel_multiples=[1, 2, 2], decoder_channels=4,
        decoder_input_channels=4, audio_channels=2, sampling_rate=SAMPLE_RATE,
    )  # fmt: skip
    text_encoder = T5EncoderModel(
        T5Config(vocab_size=len(_WORDS) + 3, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, dropout_rate=0.0)
    )
    transformer = StableAudioDiTModel(
        sample_size=int(LONGEST_SECONDS * SAMPLE_RATE / vae.hop_length) + 1, in_channels=4, num_layers=2,
        attention_head_dim=8, num_attention_heads=2, num_key_value_attention_heads=1, out_channels=4,
        cross_attention_dim=16, time_proj_dim=8, global_states_input_dim=32, cross_attention_input_dim=16,
    )  # fmt: skip
    projection = StableAudioProjectionModel(text_encoder_dim=16, conditioning_dim=16, min_value=0, max_value=8)
    return StableAudioPipeline(
        vae.eval(), text_encoder.eval(), projection.eval(), tokenizer(), transformer.eval(),
        CosineDPMSolverMultistepScheduler(),
    )  # fmt: skip


def tokenizer() -> Any:
    vocabulary = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *_WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.normalizer, words.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=16
    )


def save(folder: Path, seed: int = 0) -> Path:
    """Write a pipeline; the folder."""
    pipeline(seed).save_pretrained(folder, safe_serialization=True)
    return folder
