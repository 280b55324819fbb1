"""The cascade computes what the checkpoints before it were trained to, under the names that they have."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch.nn import functional

from core.engines.encodec.cascade import Cascade, CascadeShape
from tests.demucs_models import one_thread  # noqa: F401 - a fixture that works by being here
from tests.encodec_models import cascade

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 1e-5
"""Largest difference to the same formulas written down plainly, where values reach 4; measured 1e-6."""

ONE, TWO, THREE = (CascadeShape(encoding_dim=12, heads=2, layers=2, stages=stages) for stages in (1, 2, 3))


def latents(frames: int = 40, dimension: int = 12, items: int = 2, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first, second = torch.randn(2, items, dimension, frames, generator=generator)
    return first, 0.3 * second


@torch.inference_mode()
def run(model: Cascade, first: Tensor, second: Tensor) -> Tensor:
    made: Tensor = model(first, second)
    return made


# What it computes


class Plain:
    """The documented model as formulas over a state dict."""

    def __init__(self, state: dict[str, Tensor], shape: CascadeShape) -> None:
        self.state, self.shape = state, shape

    def run(self, first: Tensor, second: Tensor) -> Tensor:
        first, second = first.mT, second.mT
        if self.shape.stages == 1:
            return (first + self.stage("", first)).mT
        made = None
        for index in range(self.shape.stages):
            inputs = [first, second] if made is None else [first, made, second]
            joined = torch.cat(inputs, dim=2)
            positions = self.positions(*joined.shape[1:])
            raw = sum(inputs) / len(inputs) + self.stage(f"cascade_stages.{index}.", joined + positions)
            target = torch.sqrt((self.rms(first) ** 2 + self.rms(second) ** 2) / 2)
            made = raw * torch.clamp(target / self.rms(raw), 0.7, 1.5)
        assert made is not None
        return made.mT

    def stage(self, prefix: str, frames: Tensor) -> Tensor:
        frames = self.norm(f"{prefix}input_norm", frames)
        for layer in range(self.shape.layers):
            name = f"{prefix}transformer.layers.{layer}"
            frames = self.norm(f"{name}.norm1", frames + self.attention(f"{name}.self_attn", frames))
            inner = functional.gelu(self.linear(f"{name}.linear1", frames))
            frames = self.norm(f"{name}.norm2", frames + self.linear(f"{name}.linear2", inner))
        frames = self.norm(f"{prefix}post_norm", frames)
        weight, left, right = (self.state[f"{prefix}output_proj.weight_{part}"] for part in ("orig", "u", "v"))
        return frames @ (weight / (left @ weight @ right)).T + self.state[f"{prefix}output_proj.bias"]

    def attention(self, name: str, frames: Tensor) -> Tensor:
        projected = frames @ self.state[f"{name}.in_proj_weight"].T + self.state[f"{name}.in_proj_bias"]
        query, key, value = (
            part.unflatten(2, (self.shape.heads, -1)).transpose(1, 2) for part in projected.chunk(3, dim=2)
        )
        odds = torch.softmax(query @ key.mT / math.sqrt(query.shape[-1]), dim=-1)
        return self.linear(f"{name}.out_proj", (odds @ value).transpose(1, 2).flatten(2))

    def norm(self, name: str, frames: Tensor) -> Tensor:
        centred = frames - frames.mean(dim=-1, keepdim=True)
        scaled = centred / torch.sqrt(centred.square().mean(dim=-1, keepdim=True) + 1e-5)
        return scaled * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def linear(self, name: str, frames: Tensor) -> Tensor:
        return frames @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    @staticmethod
    def rms(frames: Tensor) -> Tensor:
        return torch.sqrt(frames.square().mean(dim=(1, 2), keepdim=True) + 1e-8)

    @staticmethod
    def positions(length: int, width: int) -> Tensor:
        """Sine at even and cosine at odd channels, their periods from 2π to 2π · 10,000."""
        rows = [
            [(math.sin, math.cos)[channel % 2](frame / 10000 ** (channel // 2 * 2 / width)) for channel in range(width)]
            for frame in range(length)
        ]
        return torch.tensor(rows)


@pytest.mark.parametrize("shape", [ONE, TWO, THREE])
def test_it_computes_the_documented_formulas(shape: CascadeShape) -> None:
    model = cascade(shape)
    made = run(model, *latents())
    assert (made - Plain(model.state_dict(), shape).run(*latents())).abs().max() < ROUNDING
    assert made.std() > 0.1


@pytest.mark.parametrize("shape", [ONE, TWO, THREE])
def test_folded_for_inference_it_computes_the_same(shape: CascadeShape) -> None:
    model = cascade(shape)
    made = run(model, *latents())
    folded = model.fold()
    assert (run(folded, *latents()) - made).abs().max() < ROUNDING
    assert not any("weight_orig" in name for name in folded.state_dict())
    assert not any(parameter.requires_grad for parameter in folded.parameters())


def test_with_one_stage_track_2_is_not_heard_and_with_more_it_is() -> None:
    first, second = latents()
    one, two = cascade(ONE), cascade(TWO)
    assert torch.equal(run(one, first, second), run(one, first, -second))
    assert (run(two, first, second) - run(two, first, -second)).abs().max() > 0.01


def test_an_item_does_not_know_what_else_is_in_its_batch() -> None:
    first, second = latents(items=3)
    model = cascade(THREE)
    together = run(model, first, second)
    for item in range(3):
        alone = run(model, first[item : item + 1], second[item : item + 1])
        assert (together[item] - alone[0]).abs().max() < ROUNDING


def without_correction() -> Cascade:
    """Two stages that leave their residual as it is, but for its level."""
    model = cascade(TWO).fold()
    for stage in model.cascade_stages:
        stage["output_proj"].weight.zero_()
        stage["output_proj"].bias.zero_()
    return model


@pytest.mark.parametrize("level", [1e-2, 1.0, 30.0])
def test_two_tracks_that_weaken_each_other_are_raised_to_their_own_level(level: float) -> None:
    first, second = (level * track for track in latents(frames=4000))
    made = run(without_correction(), first, second)
    wanted = float((Plain.rms(first) ** 2 / 2 + Plain.rms(second) ** 2 / 2).sqrt().mean())
    assert float(Plain.rms(made).mean()) == pytest.approx(wanted, rel=0.02)
    assert float(Plain.rms((first + second) / 2).mean()) < 0.8 * wanted


def test_each_item_has_its_own_gain_and_it_is_bounded() -> None:
    track = latents(items=1)[0]
    quiet_mean = torch.cat([track, track]), torch.cat([track, -0.9 * track])
    made = run(without_correction(), *quiet_mean)
    assert torch.allclose(made[0], track[0], atol=ROUNDING)
    raised = 1.5 * 0.05 * track[0]  # the mean of both, as much louder as is allowed
    again = 1.5 * (track[0] + raised - 0.9 * track[0]) / 3
    assert torch.allclose(made[1], again, atol=ROUNDING)


def test_silence_stays_finite() -> None:
    silent = torch.zeros(1, 12, 20)
    assert run(cascade(TWO), silent, silent).isfinite().all()


# How long


def test_more_frames_than_a_checkpoint_has_positions_for_are_no_obstacle() -> None:
    first, second = latents(frames=2101, items=1)
    model = cascade(TWO)
    made = run(model, first, second)
    assert made.shape == first.shape
    # the angle of frame 2,100 is known to 1e-4 in float32
    assert (made - Plain(model.state_dict(), TWO).run(first, second)).abs().max() < 2e-4


@pytest.mark.parametrize("frames", [1, 2])
def test_a_frame_is_enough(frames: int) -> None:
    assert run(cascade(THREE), *latents(frames=frames)).shape == (2, 12, frames)


# Names and shapes


def names_of_stage(prefix: str, width: int, layers: int, dimension: int) -> dict[str, tuple[int, ...]]:
    names: dict[str, tuple[int, ...]] = {}
    for layer in range(layers):
        name = f"{prefix}transformer.layers.{layer}"
        names |= {
            f"{name}.self_attn.in_proj_weight": (3 * width, width),
            f"{name}.self_attn.in_proj_bias": (3 * width,),
            f"{name}.self_attn.out_proj.weight": (width, width),
            f"{name}.self_attn.out_proj.bias": (width,),
            f"{name}.linear1.weight": (4 * width, width),
            f"{name}.linear1.bias": (4 * width,),
            f"{name}.linear2.weight": (width, 4 * width),
            f"{name}.linear2.bias": (width,),
        }
        names |= {f"{name}.{norm}.{part}": (width,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    names |= {f"{prefix}{norm}.{part}": (width,) for norm in ("input_norm", "post_norm") for part in ("weight", "bias")}
    return names | {
        f"{prefix}output_proj.bias": (dimension,),
        f"{prefix}output_proj.weight_orig": (dimension, width),
        f"{prefix}output_proj.weight_u": (dimension,),
        f"{prefix}output_proj.weight_v": (width,),
    }


def shapes(model: Cascade) -> dict[str, tuple[int, ...]]:
    return {name: tuple(values.shape) for name, values in model.state_dict().items()}


def test_a_model_of_one_stage_has_the_names_of_its_checkpoints() -> None:
    assert shapes(Cascade(CascadeShape(stages=1))) == names_of_stage("", 128, 4, 128)


@pytest.mark.parametrize("stages", [2, 3])
def test_a_cascade_has_the_names_of_its_checkpoints(stages: int) -> None:
    expected = {}
    for index, width in enumerate([256, 384, 384][:stages]):
        prefix = f"cascade_stages.{index}."
        expected |= {f"{prefix}pos_encoding.pe": (1, 2000, width)} | names_of_stage(prefix, width, 4, 128)
    assert shapes(Cascade(CascadeShape(stages=stages))) == expected


# Training


def test_every_parameter_can_be_trained() -> None:
    model = cascade(TWO).train()
    model(*latents()).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
