import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from core.bridge.request import BridgeRequest
from core.engines.checkpoints import CheckpointStore, parse_checksums
from core.engines.encodec.cascade import Cascade
from core.engines.encodec.checkpoint import load_cascade, read_checkpoint
from core.engines.encodec.codec_files import weight_file
from core.engines.encodec.engine import EncodecEngine
from core.engines.warm import WarmModels
from core.engines.weights import ModelFolders
from core.ports import Pair, Track
from core.settings import Settings
from core.storage.memory import MemoryBlobs
from tests.encodec_models import DIMENSION, codec_folder
from tests.music import SAMPLE_RATE, band
from tests.unit.training_runs import PowerCut, Shown, one_thread_and_the_same_bits, same
from training import bridge, codec
from training.__main__ import main
from training.bridge import Places, train
from training.facts import HISTORY
from training.loss import COPY
from training.recipe import Recipe
from training.state import Standing
from training.stopping import Stopping
from training.upload import how_to_use, upload

__all__ = ["one_thread_and_the_same_bits"]

PROGRESSIONS = (
    ("C", "G", "Am", "F"), ("D", "A", "Bm", "G"), ("Am", "F", "C", "G"), ("Em", "C", "G", "D"), ("F", "Bb", "C", "F"),
    ("A", "D", "E", "A"),
)  # fmt: skip
RECIPE = Recipe(
    segment_seconds=1.0, validation_share=0.25, epochs=4, batch=16, accumulate=1, learning_rate=3e-3, heads=2,
    layers=1, device="cpu", precision="float32",
)  # fmt: skip
CODEC_PLACE = "models/encodec/24khz"
MARGIN = 0.85
"""Of the loss of a copy of track 1: what a trained model stays below and an untrained one does not."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with music that the synth plays, a codec with random weights and a cache that all may use."""
    folder = tmp_path_factory.mktemp("here")
    (folder / "music").mkdir()
    for number, chords in enumerate(PROGRESSIONS):
        song = band(chords, tempo_bpm=83 + 13 * number, seconds=24, seed=number + 1)
        soundfile.write(folder / "music" / f"private song {number}.flac", song.samples.T, SAMPLE_RATE)
    (folder / "music" / "broken.mp3").write_text("no music")
    codec_folder(folder / CODEC_PLACE)
    return folder


def places(here: Path, out: Path, **more: Any) -> Places:
    return Places(here / "music", out, here / "cache", here / CODEC_PLACE, **more)


def trained(here: Path, out: Path, recipe: Recipe = RECIPE, shown: Shown | None = None, **more: Any) -> Standing:
    return train(recipe, places(here, out, **more), Settings(), shown or Shown(), Stopping())


@pytest.fixture(scope="module")
def finished(here: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Shown]:
    """What a whole training left, and what it showed."""
    out, shown = tmp_path_factory.mktemp("finished") / "bridge", Shown()
    trained(here, out, shown=shown)
    return out, shown


def told(out: Path) -> tuple[dict[str, float], list[float]]:
    """The baselines, and the validation loss of every epoch."""
    content = json.loads((out / HISTORY).read_text())
    return content["baselines"], [epoch["validation_loss"] for epoch in content["epochs"]]


def test_a_trained_model_comes_closer_to_what_lies_between_than_a_copy_of_track_1(
    here: Path, finished: tuple[Path, Shown]
) -> None:
    baselines, losses = told(finished[0])
    assert min(losses) < MARGIN * baselines[COPY]
    assert min(losses) < min(baselines.values())


def test_a_model_that_learned_nothing_does_not(here: Path, tmp_path: Path) -> None:
    trained(here, tmp_path / "out", replace(RECIPE, learning_rate=1e-12, epochs=1))
    baselines, losses = told(tmp_path / "out")
    assert min(losses) > MARGIN * baselines[COPY]


def test_a_model_that_was_trained_with_the_wrong_targets_does_not(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = bridge.Examples.batch

    def wrong(self: Any, indices: Any, swapped: Any = None) -> Any:
        track1, track2, target = real(self, indices, swapped)
        return (track1, track2, -target) if swapped is not None else (track1, track2, target)  # validation is right

    monkeypatch.setattr(bridge.Examples, "batch", wrong)
    trained(here, tmp_path / "out", replace(RECIPE, epochs=2))
    baselines, losses = told(tmp_path / "out")
    assert min(losses) > MARGIN * baselines[COPY]


def test_what_is_kept_is_a_checkpoint_that_the_engine_loads(finished: tuple[Path, Shown]) -> None:
    out, _ = finished
    cascade = load_cascade(out / "best_model.pt", DIMENSION).fold()
    assert isinstance(cascade, Cascade)
    assert cascade(*torch.randn(2, 1, DIMENSION, 20)).isfinite().all()
    _, losses = told(out)
    content = read_checkpoint(out / "best_model.pt")
    assert content["val_loss"] == min(losses)
    assert content["epoch"] == losses.index(min(losses)) + 1


def test_what_cannot_be_read_is_told_and_the_guesses_are(finished: tuple[Path, Shown]) -> None:
    _, shown = finished
    assert any(line.startswith("left out: broken.mp3 (") for line in shown.lines)
    assert any("a copy of track 1" in line for line in shown.lines)
    assert [stage for stage, _, _ in shown.begun] == ["encoding", "training"]


def test_the_card_says_what_is_needed_to_judge_the_model_and_names_no_file(
    here: Path, finished: tuple[Path, Shown]
) -> None:
    out, _ = finished
    card = (out / "README.md").read_text()
    baselines, losses = told(out)
    needed = (
        f"{min(losses):.4f}", f"{baselines[COPY]:.4f}", "`--seed` | 0 |",
        f"torch {torch.__version__}", "CC-BY-NC-4.0", "two different songs", "(made - target)²",
        hashlib.sha256(weight_file(here / CODEC_PLACE).read_bytes()).hexdigest(),
    )  # fmt: skip
    assert [words for words in needed if words not in card] == []
    tracks = [int(count) for count in re.findall(r"^\| (?:training|validation) \| (\d+) \|", card, re.MULTILINE)]
    assert sum(tracks) == len(PROGRESSIONS)
    assert "private" not in card.replace("may be private", "")
    assert "broken" not in card


def test_the_plot_is_a_picture(finished: tuple[Path, Shown]) -> None:
    from matplotlib.image import imread

    picture = imread(finished[0] / "loss.png")
    assert picture.shape[:2] == (600, 1080)
    colours = {tuple((pixel * 255).round().astype(int)) for pixel in picture[..., :3].reshape(-1, 3)}
    assert {(78, 121, 167), (242, 142, 43), (225, 87, 89)} <= colours  # both lines and the star


def test_a_training_that_was_cut_off_leaves_the_same_files_as_one_that_was_not(
    here: Path, finished: tuple[Path, Shown], tmp_path: Path
) -> None:
    encoding = 7
    with pytest.raises(PowerCut):
        trained(here, tmp_path / "out", shown=Shown(breaks_after=encoding + 11), save_steps=3)
    trained(here, tmp_path / "out", save_steps=3)
    for name in ("last.pt", "best_model.pt"):
        assert same(read_checkpoint(tmp_path / "out" / name), read_checkpoint(finished[0] / name))
    for name in ("README.md", HISTORY, "loss.png"):
        assert (tmp_path / "out" / name).read_bytes() == (finished[0] / name).read_bytes()


def command(here: Path, out: Path, *more: str) -> list[str]:
    small = [
        "--codec", str(here / CODEC_PLACE), "--cache", str(here / "cache"), "--out", str(out), "--segment-seconds", "1",
        "--validation-share", "0.25", "--epochs", "2", "--batch", "16", "--accumulate", "1", "--heads", "2",
        "--layers", "1", "--device", "cpu", "--precision", "float32", "--save-steps", "2",
    ]  # fmt: skip
    return [str(here / "music"), *small, *more]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_process_that_is_ended_in_mid_training_is_gone_on_with_to_the_same_bits(
    here: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AzureWebJobsStorage": ""}
    process = subprocess.Popen(
        [sys.executable, "-m", "training", *command(here, tmp_path / "cut")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None
    assert next(line for line in process.stdout if line.startswith("training: 3 of"))
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == code
    assert ("the same command goes on" in errors) == (code == 130)

    assert main(command(here, tmp_path / "cut")) == 0
    assert main(command(here, tmp_path / "whole")) == 0
    for name in ("last.pt", "best_model.pt"):
        assert same(read_checkpoint(tmp_path / "cut" / name), read_checkpoint(tmp_path / "whole" / name))


def test_the_help_explains_every_option_and_loads_no_torch(here: Path) -> None:
    script = (
        "import sys; from training.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert shown.endswith("False False\n")
    assert "highest learning rate" in shown


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seed", "7"], "--seed 0 (now 7)"),
        (["--heads", "3"], "--heads 3 does not divide the 16 channels"),
        (["--segment-seconds", "8.1"], "nothing is left of the music"),
        (["--device", "toaster"], "--device toaster is no device"),
        (["--device", "meta"], "--device meta is none to train on"),
        (["--device", "cuda:99"], "--device cuda:99 is not there, torch finds"),
        (["--upload", "mine"], "--upload needs a storage account"),
        (["--codec", "/nowhere"], "holds no EnCodec"),
    ],
)
def test_what_has_to_be_mended_is_said_in_one_line(
    here: Path, finished: tuple[Path, Shown], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path, more: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("AzureWebJobsStorage", "")
    out = tmp_path / "out"
    if more[0] == "--seed":
        assert main(command(here, out)) == 0
    assert main(command(here, out, *more)) == 2
    printed = capsys.readouterr()
    assert said in printed.out + printed.err
    assert ("encoding" in printed.out) == (more[0] in ("--seed", "--segment-seconds"))  # or said before that
    assert printed.err.startswith("train-bridge: ")
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize(
    "more",
    [
        ["--epochs", "0"],
        ["--dropout", "1"],
        ["--batch", "many"],
        ["--stages", "1"],
        ["--save-steps", "0"],
        ["--learning-rate", "inf"],
        ["--learning-rate", "nan"],
        ["--segment-seconds", "1e999"],
        ["--seed", str(2**63)],
    ],
)
def test_values_out_of_range_are_refused_before_anything_is_loaded(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(command(here, tmp_path, *more))
    assert f"argument {more[0]}" in capsys.readouterr().err


@pytest.mark.parametrize("data", [["DATA="], []])
def test_make_asks_for_the_folder_and_takes_no_other_for_it(data: list[str]) -> None:
    """Of an empty name the folder would be the one that one stands in."""
    environment = {name: value for name, value in os.environ.items() if name != "DATA"}
    made = subprocess.run(
        ["make", "--assume-old=.venv/.installed-training", "train-bridge", *data, "ARGS=--help"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert made.returncode == 2
    assert "name a folder of music: make train-bridge DATA=FOLDER" in made.stdout


def test_a_folder_without_a_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([""])
    assert "argument FOLDER: no folder is named" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_told_before_anything_is_encoded(
    here: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in the way").write_text("-")
    for out in (tmp_path / "in the way", tmp_path / "in the way" / "out"):
        assert main(command(here, out)) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert f"train-bridge: {out} cannot be written" in printed.err


def test_an_upload_makes_bridges_in_the_engine_under_the_pin_that_is_told(
    here: Path, finished: tuple[Path, Shown], tmp_path: Path
) -> None:
    out, _ = finished
    blobs = MemoryBlobs()
    digest = upload(blobs, out, "mine")
    advice = how_to_use("mine", digest)
    pin = next(line for line in advice.splitlines() if "MODEL_CHECKSUMS" in line).partition(": ")[2]
    store = CheckpointStore(here / "models", blobs, parse_checksums([pin]), tmp_path / "cache")
    engine = EncodecEngine(ModelFolders(store), WarmModels(lambda: 2**40), "cpu", "float32", 0)
    one, other = (np.random.default_rng(seed).uniform(-0.3, 0.3, (1, 24000)).astype(np.float32) for seed in (1, 2))
    pair = Pair(Track(lambda: iter([one])), Track(lambda: iter([other])), 24000, 1, 24000, (0.5,), 0.1)
    with engine.load("mine", lambda: None) as bridger:
        made = np.concatenate(list(bridger.bridge(pair, lambda share: None)), axis=-1)
    assert made.shape == (1, 1, 24000)
    assert np.abs(made).max() > 0
    assert b"".join(blobs.read("models", "encodec/mine/README.md")) == (out / "README.md").read_bytes()
    request = BridgeRequest.model_validate_json(advice.splitlines()[-1].partition(": ")[2])
    assert (request.engine, request.model) == ("encodec", "mine")


def test_a_training_that_is_over_is_uploaded_without_another_step(
    here: Path, finished: tuple[Path, Shown], tmp_path: Path, stored: MemoryBlobs
) -> None:
    shown = Shown()
    train(RECIPE, places(here, finished[0], upload="mine"), NAMED_ACCOUNT, shown, Stopping())
    assert shown.steps == 7  # files looked at
    names = [blob.name for blob in stored.list_all("models", "")]
    assert names == [f"encodec/mine/{name}" for name in ("README.md", "best_model.pt", "loss.png")]
    assert "add to MODEL_CHECKSUMS: encodec/mine/best_model.pt=" in shown.lines[-1]


@pytest.mark.parametrize(("name", "said"), [("../mine", "is no name of a model"), ("24khz", "where the codec lies")])
def test_a_name_that_no_model_can_have_is_refused_before_the_first_step(
    here: Path, tmp_path: Path, stored: MemoryBlobs, name: str, said: str
) -> None:
    with pytest.raises(bridge.TrainingError, match=said):
        train(RECIPE, places(here, tmp_path, upload=name), NAMED_ACCOUNT, Shown(), Stopping())
    assert not list(tmp_path.iterdir())


NAMED_ACCOUNT = Settings(AzureWebJobsStorage="UseDevelopmentStorage=true")


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> MemoryBlobs:
    """Takes the place of the storage account."""
    storage = codec.azure_storage(NAMED_ACCOUNT)
    blobs = MemoryBlobs()
    monkeypatch.setattr(codec, "azure_storage", lambda _: replace(storage, blobs=blobs))
    return blobs


@pytest.mark.parametrize("upload", ["mine", None])
def test_a_storage_account_that_is_none_is_told(here: Path, tmp_path: Path, upload: str | None) -> None:
    nowhere = Places(here / "music", tmp_path / "out", tmp_path / "cache", upload=upload)
    with pytest.raises(bridge.TrainingError, match="AzureWebJobsStorage names no storage account: Connection string"):
        train(RECIPE, nowhere, Settings(AzureWebJobsStorage="garbage"), Shown(), Stopping())


def test_without_a_folder_the_codec_is_the_one_that_the_engine_would_take(here: Path) -> None:
    found = codec.open_codec(None, Settings(model_dir=str(here / "models")), "cpu")
    assert found.digest == hashlib.sha256(weight_file(here / CODEC_PLACE).read_bytes()).hexdigest()
    assert found.codec.dimension == DIMENSION


def test_two_libraries_files_of_one_codec_have_digests_of_their_own(tmp_path: Path) -> None:
    digests = [
        codec.open_codec(codec_folder(tmp_path / library, library), Settings(), "cpu").digest
        for library in ("encodec", "transformers")
    ]
    assert digests[0] != digests[1]
