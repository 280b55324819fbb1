"""The decoder and the draws make audiocraft's own codes, and the logits of audiocraft and of transformers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core.engines.musicgen import audiocraft_models, transformers_models
from core.engines.musicgen.batching import Batcher
from core.engines.musicgen.decoder import Decoder, Feed
from core.engines.musicgen.model import Conditioning
from core.engines.musicgen.rows import Row
from core.engines.musicgen.sampling import Sampling
from tests.musicgen_models import Kind, audiocraft_folder, reference, transformers_folder

KINDS: tuple[Kind, ...] = ("small", "stereo", "melody")
DESCRIPTIONS = ("slow rock drums", "jazz", "a fast bass line, with singing")
FRAMES = 30
TOLERANCE = 1e-5  # 2e-6 was measured, on logits of up to 4
COARSER = {"bfloat16": 0.01, "float16": 0.0012, "int8": 0.02}
"""The logits' error beside their own deviation; about a third of it was measured."""


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


@cache
def audiocraft(kind: Kind) -> Any:
    return reference(audiocraft_folder(kind))


@cache
def decoder(kind: Kind, precision: str = "float32") -> Decoder:
    return Decoder(audiocraft_models.language_model(audiocraft(kind).lm), precision)


def attributes(kind: Kind, description: str) -> Any:
    return audiocraft(kind)._prepare_tokens_and_attributes([description], None)[0]


def conditionings(kind: Kind, description: str) -> list[Conditioning]:
    """What audiocraft steers a call of one description with: the condition, and the null condition."""
    lm, given = audiocraft(kind).lm, attributes(kind, description)
    from audiocraft.modules.conditioners import ClassifierFreeGuidanceDropout  # once its stand-ins are there

    pair = given + ClassifierFreeGuidanceDropout(p=1.0)(given)
    tensors = lm.condition_provider(lm.condition_provider.tokenize(pair))
    prefixes, texts = lm.fuser(torch.zeros(2, 0, lm.dim), tensors)
    if texts is None:
        return [Conditioning(prefix=prefix) for prefix in prefixes]
    return [Conditioning(cross=texts[0]), Conditioning(cross=texts[1][:1])]  # all of the null condition's are zeros


def prompt(kind: Kind, frames: int) -> Tensor:
    lm = audiocraft(kind).lm
    return torch.randint(0, lm.card, (lm.n_q, frames), generator=torch.Generator().manual_seed(7))


def theirs(kind: Kind, description: str, seed: int, sampling: Sampling, prompt_frames: int = 0) -> list[list[int]]:
    torch.manual_seed(seed)
    codes = audiocraft(kind).lm.generate(
        prompt(kind, prompt_frames)[None] if prompt_frames else None,
        attributes(kind, description),
        max_gen_len=FRAMES,
        use_sampling=sampling.temperature > 0,
        temp=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        cfg_coef=sampling.guidance_scale,
        remove_prompts=True,
    )
    drawn: list[list[int]] = codes[0].tolist()
    return drawn


def ours(kind: Kind, sampling: Sampling, prompt_frames: int = 0) -> list[list[list[int]]]:
    """All descriptions in one batch."""
    made: dict[int, list[Any]] = {}
    with Batcher(decoder(kind), 10**9).run() as run:
        for seed, description in enumerate(DESCRIPTIONS):
            generator = torch.Generator().manual_seed(seed)
            given = prompt(kind, prompt_frames).numpy()
            run.add(Row(*conditionings(kind, description), given, FRAMES, sampling, generator))
        for pieces in run:
            for row, codes in pieces:
                made.setdefault(row, []).append(codes)
    return [np.concatenate(made[row], axis=1).tolist() for row in range(len(DESCRIPTIONS))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("sampling", "prompt_frames"),
    [
        (Sampling(1.0, 250, 0.0, 3.0), 0),
        (Sampling(1.0, 10, 0.0, 3.0), 12),
        (Sampling(0.7, 0, 0.9, 5.0), 0),
        (Sampling(1.3, 0, 0.0, 1.5), 29),
        (Sampling(0.0, 250, 0.0, 3.0), 5),
    ],
)
def test_a_batch_draws_the_codes_of_audiocraft_for_each_description_alone(
    kind: Kind, sampling: Sampling, prompt_frames: int
) -> None:
    sampling = Sampling(
        sampling.temperature, min(sampling.top_k, audiocraft(kind).lm.card), sampling.top_p, sampling.guidance_scale
    )  # audiocraft fails where there are fewer codes
    expected = [
        theirs(kind, description, seed, sampling, prompt_frames) for seed, description in enumerate(DESCRIPTIONS)
    ]
    assert ours(kind, sampling, prompt_frames) == expected


def step_logits(decoder: Decoder, given: list[Conditioning], steps: Tensor, at_once: int) -> Tensor:
    """The logits ``[lanes, S, K, V]`` after each of the steps ``[K, S]``; the first so many are read at once."""
    prefix = decoder.prefix(given)
    cache = decoder.cache(given, prefix.shape[1] + steps.shape[1])
    embedded = decoder.embed(steps[None]).expand(len(given), -1, -1)
    inputs = [torch.cat([prefix, embedded[:, :at_once]], dim=1), *embedded[:, at_once:].split(1, dim=1)]
    made = []
    for each in inputs:
        made.append(decoder.logits([Feed(cache, each)]))
        cache.position += each.shape[1]
    return torch.stack(made, dim=1)


def delayed(kind: Kind) -> Tensor:
    lm = audiocraft(kind).lm
    pattern = lm.pattern_provider.get_pattern(FRAMES)
    sequence: Tensor = pattern.build_pattern_sequence(prompt(kind, FRAMES)[None], lm.special_token_id)[0][0]
    return sequence


def audiocraft_logits(kind: Kind, given: list[Conditioning], steps: Tensor) -> Tensor:
    """``[lanes, S, K, V]`` of the whole sequence at once."""
    lm = audiocraft(kind).lm
    embedded = sum(lm.emb[k](steps[k]) for k in range(lm.n_q)).expand(2, -1, -1)
    if given[0].cross is None:
        inputs = torch.cat([torch.stack([one.prefix for one in given]), embedded], dim=1)
        out = lm.transformer(inputs)[:, -steps.shape[1] :]
    else:
        texts = torch.nn.utils.rnn.pad_sequence([one.cross for one in given], batch_first=True)
        out = lm.transformer(embedded, cross_attention_src=texts)
    return torch.stack([linear(lm.out_norm(out)) for linear in lm.linears], dim=2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once", [1, 2, 20])
def test_the_logits_are_audiocrafts_whether_steps_are_read_at_once_or_one_by_one(kind: Kind, at_once: int) -> None:
    given, steps = conditionings(kind, DESCRIPTIONS[0]), delayed(kind)
    expected = audiocraft_logits(kind, given, steps)[:, at_once - 1 :]
    torch.testing.assert_close(
        step_logits(decoder(kind), given, steps, at_once), expected, rtol=0, atol=TOLERANCE
    )  # fmt: skip


@pytest.mark.parametrize("precision", COARSER)
@pytest.mark.parametrize("kind", KINDS)
def test_coarser_precisions_stay_near(kind: Kind, precision: str) -> None:
    given, steps = conditionings(kind, DESCRIPTIONS[0]), delayed(kind)
    expected = audiocraft_logits(kind, given, steps)
    error = step_logits(decoder(kind, precision), given, steps, 1) - expected
    assert 1e-5 < error.square().mean().sqrt() / expected.std() < COARSER[precision]


@pytest.mark.parametrize("kind", ["small", "stereo"])
def test_the_logits_are_those_of_transformers(kind: Kind) -> None:
    from transformers import MusicgenForConditionalGeneration

    model = MusicgenForConditionalGeneration.from_pretrained(transformers_folder(kind)).eval()
    config = model.config.decoder
    weights = transformers_models.language_model(model.decoder, config.num_attention_heads, config.audio_channels)
    given, steps = conditionings(kind, DESCRIPTIONS[0])[:1], delayed(kind)
    expected = model.decoder(input_ids=steps, encoder_hidden_states=given[0].cross[None]).logits
    made = step_logits(Decoder(weights), given, steps, 1)
    torch.testing.assert_close(made[0].transpose(0, 1), expected, rtol=0, atol=TOLERANCE)
