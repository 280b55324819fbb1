"""Tiny demucs models with random weights, saved the way the released ones are, and mixtures to separate."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import pytest
import torch
import yaml
from demucs.apply import BagOfModels, apply_model
from demucs.hdemucs import HDemucs
from demucs.htdemucs import HTDemucs
from torch import nn

from core.engines.checkpoints import CheckpointStore
from core.engines.demucs.engine import DemucsEngine
from core.engines.warm import WarmModels
from core.storage.memory import MemoryBlobs

if TYPE_CHECKING:
    from core.ports import Block, SeparationSettings, StemBlock

SOURCES = ["drums", "bass", "other", "vocals"]
SAMPLE_RATE = 8000


ONE_HOT = [[float(row == column) for column in range(4)] for row in range(4)]
"""A bag's weights if each of its models makes one source, as htdemucs_ft's do."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For the modules that import it: small models on several threads mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def hybrid_transformer(seed: int = 0, segment: Fraction = Fraction(4, 5), **options: Any) -> Any:
    """The v4 architecture at the width 16."""
    torch.manual_seed(seed)
    small = {
        "channels": 8,
        "depth": 3,
        "nfft": 512,
        "bottom_channels": 16,
        "t_layers": 3,
        "t_heads": 2,
        "dconv_mode": 3,
    }
    return loud(HTDemucs(SOURCES, segment=segment, samplerate=SAMPLE_RATE, **{**small, **options}))


def hybrid(seed: int = 0, segment: float = 1.0, **options: Any) -> Any:
    """The v3 architecture at the width 4, with attention and LSTM in its deepest layers."""
    torch.manual_seed(seed)
    small = {"channels": 4, "nfft": 4096, "norm_groups": 2}
    return loud(HDemucs(SOURCES, segment=segment, samplerate=SAMPLE_RATE, **{**small, **options}))


def loud(model: Any) -> Any:
    """The model with layer scales that are not close to 0, so that no branch can be wrong without being heard."""
    for name, parameter in model.named_parameters():
        if name.endswith("scale"):
            nn.init.uniform_(parameter, 0.1, 0.5)
    return model.eval()


def save(model: Any, folder: Path, signature: str) -> str:
    """Write ``SIGNATURE-CHECKSUM.th``; its name."""
    args, kwargs = model._init_args_kwargs
    package = {"klass": type(model), "args": args, "kwargs": kwargs, "state": model.state_dict(), "training_args": {}}
    buffer = io.BytesIO()
    torch.save(package, buffer)
    name = f"{signature}-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.th"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(buffer.getvalue())
    return name


def save_bag(
    models: list[Any], folder: Path, name: str, weights: list[list[float]] | None = None, segment: float | None = None
) -> BagOfModels:
    """Write the models and ``NAME.yaml``; the bag that demucs would make of them."""
    signatures = [f"{name}{index}" for index in range(len(models))]
    for model, signature in zip(models, signatures, strict=True):
        save(model, folder, signature)
    definition = {"models": signatures, "weights": weights, "segment": segment}
    (folder / f"{name}.yaml").write_text(yaml.safe_dump({key: value for key, value in definition.items() if value}))
    return BagOfModels(models, weights, segment).eval()


def engine(model_dir: Path, blobs: MemoryBlobs | None = None, **options: Any) -> DemucsEngine:
    """An engine over ``MODEL_DIR``, on the CPU in float32."""
    store = CheckpointStore(model_dir, blobs or MemoryBlobs(), options.pop("checksums", {}), model_dir / "cache")
    models = WarmModels(lambda: 2**40)
    return DemucsEngine(store, models, options.pop("device", "cpu"), options.pop("precision", "float32"))


def loaded(engine: Any, settings: SeparationSettings) -> Any:
    """A separator whose model nothing takes away: the tests' engines give none up."""
    with engine.load(settings, lambda: None) as separator:
        return separator


class ArrayMixture:
    """A ``Mixture`` of samples ``[C, T]`` in memory, handed out in blocks of uneven length."""

    def __init__(self, samples: Block, sample_rate: int = SAMPLE_RATE) -> None:
        self.samples, self.sample_rate = samples, sample_rate
        self.channels, self.frames = samples.shape
        downmix = samples.mean(axis=0, dtype=np.float64)
        self.mean = float(downmix.mean())
        self.standard_deviation = float(downmix.std(ddof=1)) if self.frames > 1 else 0.0

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        lengths = random.Random(start_frame)
        while start_frame < self.frames:
            end = start_frame + lengths.randint(1, 3000)
            yield self.samples[:, start_frame:end]
            start_frame = end


def noise(frames: int, channels: int = 2, seed: int = 0) -> Block:
    """Decaying bursts of noise around a constant: no two windows alike, and a mean that is not 0."""
    samples = np.random.default_rng(seed).standard_normal((channels, frames)) * 0.2
    return (samples * (0.2 + np.sin(np.arange(frames) / 900) ** 2) + 0.05).astype(np.float32)


def music(frames: int, sample_rate: int, channels: int = 2) -> Block:
    """Chords far below half the sample rate, which another rate can carry."""
    time = np.arange(frames) / sample_rate
    tones = [np.sin(2 * np.pi * tone * time * (1 + 0.01 * np.sin(time))) for tone in (110, 220.5, 331, 1207)]
    return np.stack([np.sum(tones[: 3 + channel], axis=0) / 8 for channel in range(channels)]).astype(np.float32)


def reference(model: Any, mixture: ArrayMixture, settings: SeparationSettings) -> StemBlock:
    """What demucs' own ``apply_model`` makes of it, normalised as its API does it."""
    waveform = torch.from_numpy(np.broadcast_to(mixture.samples, (2, mixture.frames)).copy())
    downmix = waveform.mean(0)
    deviation = (downmix.std() if mixture.frames > 1 else torch.zeros(())) + 1e-8
    with mock.patch("demucs.apply.random", random.Random(settings.seed)):
        made = apply_model(
            model, ((waveform - downmix.mean()) / deviation)[None], shifts=settings.shifts, overlap=settings.overlap
        )
    return (made[0] * deviation + downmix.mean()).numpy()


def separated(separator: Any, mixture: ArrayMixture, start_frame: int = 0) -> StemBlock:
    """All blocks as one array ``[S, C, T]``."""
    return np.concatenate(list(separator.separate(mixture, start_frame, lambda: None)), axis=-1)
