"""The training of a bridge model from a folder of music, from the first file to the card.

The task needs no labels. Of three segments in a row of one piece of music, the first and the third are track 1 and
track 2, and the second, which really lies between them, is what the model is to make of them. In training the two
change places at random: a bridge has no direction. An example begins every half segment, in validation every whole one.

What this promises: between two parts of one piece, the model comes closer to what is really there than either part
does. What it does not: that the same holds between two different songs, of which it has never seen a bridge, or that
what is close in latents sounds close.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

import torch

from core.engines.compute import Compute
from core.engines.devices import choose_device
from core.engines.digests import digest_of_digests
from core.engines.encodec.cascade import Cascade, CascadeShape
from core.ports import Blobs
from core.settings import Settings
from training.codec import FrozenCodec, open_codec, stored
from training.display import Display
from training.errors import TrainingError
from training.examples import SEGMENTS, Examples, split
from training.facts import Facts
from training.latents import LatentCache, Track, read_music
from training.loss import LatentLoss
from training.music import find_music
from training.recipe import Recipe
from training.report import write_report
from training.state import Standing
from training.stopping import Stopping
from training.trainer import Trainer, in_order
from training.upload import check_upload, how_to_use, upload


@dataclass(frozen=True)
class Places:
    """Where a training takes things from and puts them.

    Attributes:
        data: the folder of music.
        out: of the checkpoint and what lies beside it.
        cache: of the latents.
        codec: its folder; ``None`` to look where the engine does.
        upload: the name of the model in storage; ``None`` to leave it here.
        save_steps: steps from one snapshot to the next.
    """

    data: Path
    out: Path
    cache: Path
    codec: Path | None = None
    upload: str | None = None
    save_steps: int = 100


def train(recipe: Recipe, places: Places, settings: Settings, display: Display, stopping: Stopping) -> Standing:
    """Train, or go on training; what comes of it lies in ``places.out``.

    Raises:
        TrainingError: the music, the snapshot or an option does not fit.
        TrainingStopped: it was asked to stop; the same call goes on from there.
        StemworksError: the codec cannot be loaded, or storage not be reached.
    """
    blobs = _storage(settings, places.upload)
    _check_writable(places.out)
    recipe = settled(recipe)
    make_repeatable(recipe.seed)
    codec = open_codec(places.codec, settings, recipe.device)
    shape = _shape(recipe, codec)
    training, validation = _music(recipe, places, codec, display, stopping)
    trainer, facts = prepare(recipe, places, codec, shape, training, validation)
    display.line(_told(facts))
    trainer.run(display, stopping, lambda standing: write_report(places.out, facts, standing))
    write_report(places.out, facts, trainer.standing)
    best = trainer.standing.best
    assert best is not None
    display.line(f"best validation loss {best.validation_loss:.4f} in epoch {best.epoch}, kept in {places.out}")
    if blobs is not None and places.upload:
        display.line(how_to_use(places.upload, upload(blobs, places.out, places.upload)))
    return trainer.standing


def settled(recipe: Recipe) -> Recipe:
    """The recipe with its device and precision chosen. Raises ``TrainingError`` for a device that is not there."""
    device = _device(recipe.device)
    precision = recipe.precision
    if precision == "auto":
        precision = "bfloat16" if device.startswith("cuda") and torch.cuda.is_bf16_supported() else "float32"
    return replace(recipe, device=device, precision=precision)


def _device(asked: str) -> str:
    if asked == "auto":
        return choose_device(asked)
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise TrainingError(f"--device {asked} is no device: take auto, cpu, cuda or cuda:1") from error
    if device.type not in ("cpu", "cuda"):
        raise TrainingError(f"--device {asked} is none to train on: take auto, cpu, cuda or cuda:1")
    if device.type == "cuda" and (device.index or 0) >= (found := torch.cuda.device_count()):
        raise TrainingError(f"--device {asked} is not there, torch finds {found} GPUs: take auto or cpu")
    return str(device)


def make_repeatable(seed: int) -> None:
    """See to it that the same steps give the same bits."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # which cuBLAS needs for it; read at its first use
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)


def prepare(
    recipe: Recipe, places: Places, codec: FrozenCodec, shape: CascadeShape, training: list[Track],
    validation: list[Track],
) -> tuple[Trainer, Facts]:  # fmt: skip
    """The trainer of these tracks, and what can be said before its first step."""
    segment = _segment_frames(recipe, codec)
    sets = (Examples(training, segment, max(segment // 2, 1)), Examples(validation, segment, segment))
    loss = LatentLoss(training)
    compute = Compute(recipe.device, recipe.precision, batch_seconds=0)
    cascade = Cascade(shape)
    data = {
        "codec": codec.digest,
        "music": digest_of_digests(sorted(track.digest for track in (*training, *validation))),
    }
    trainer = Trainer(cascade, loss, *sets, recipe, compute, places.out, data, places.save_steps)
    frame_seconds = codec.codec.frame_length / codec.codec.sample_rate
    facts = Facts(
        recipe=recipe,
        shape=shape,
        tracks=(len(training), len(validation)),
        seconds=(_frames(training) * frame_seconds, _frames(validation) * frame_seconds),
        examples=(len(sets[0]), len(sets[1])),
        codec_digest=codec.digest,
        variance=loss.variance,
        baselines=loss.baselines(in_order(sets[1], recipe.batch)),
        compute=f"{recipe.precision} on {recipe.device}",
        parameters=sum(parameter.numel() for parameter in cascade.parameters()),
    )
    return trainer, facts


def _music(
    recipe: Recipe, places: Places, codec: FrozenCodec, display: Display, stopping: Stopping
) -> tuple[list[Track], list[Track]]:
    """The tracks of the training set and of the validation set, encoded."""
    paths = find_music(places.data)
    cache = LatentCache(places.cache, codec.codec, codec.digest, recipe.device)
    display.begin("encoding", len(paths))

    def encoded_one() -> None:
        display.advance()
        stopping.check()

    def skipped(path: Path, why: str) -> None:
        display.line(f"left out: {path.relative_to(places.data)} ({why})")

    tracks = read_music(paths, cache.track, SEGMENTS * _segment_frames(recipe, codec), encoded_one, skipped)
    return split(tracks, recipe.validation_share, recipe.seed)


def _storage(settings: Settings, name: str | None) -> Blobs | None:
    """Where the model is to be uploaded; it is asked for now, not when a day of training is over."""
    if name is None:
        return None
    blobs = stored(settings)
    if blobs is None:
        raise TrainingError(
            "--upload needs a storage account: set AzureWebJobsStorage, or AzureWebJobsStorage__accountName"
        )
    check_upload(blobs, name)
    return blobs


def _check_writable(folder: Path) -> None:
    """See now whether anything can be kept, not when the music is encoded and the first steps are taken."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise TrainingError(f"{folder} cannot be written ({error.strerror})") from error


def _shape(recipe: Recipe, codec: FrozenCodec) -> CascadeShape:
    shape = CascadeShape(codec.codec.dimension, recipe.heads, recipe.layers, recipe.stages, recipe.dropout)
    if shape.encoding_dim % shape.heads:
        raise TrainingError(f"--heads {shape.heads} does not divide the {shape.encoding_dim} channels of the latents")
    return shape


def _segment_frames(recipe: Recipe, codec: FrozenCodec) -> int:
    return max(round(recipe.segment_seconds * codec.codec.sample_rate / codec.codec.frame_length), 1)


def _frames(tracks: list[Track]) -> int:
    return sum(track.frames for track in tracks)


def _told(facts: Facts) -> str:
    hours = sum(facts.seconds) / 3600
    baselines = ", ".join(f"{name} {loss:.4f}" for name, loss in facts.baselines.items())
    return (
        f"{facts.tracks[0]} tracks to train and {facts.tracks[1]} to validate with, {hours:.2f} hours; "
        f"{facts.examples[0]} and {facts.examples[1]} examples; {facts.parameters:,} parameters; {facts.compute}\n"
        f"validation loss of guesses: {baselines}"
    )
