"""``python -m training FOLDER``: what ``make train-bridge DATA=FOLDER`` runs. The help loads no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.errors import TrainingError, TrainingStopped
from training.recipe import add_options, recipe_of, within
from training.stopping import Stopping

_OUT, _CACHE = Path("checkpoints/bridge"), Path("checkpoints/latents")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says; 0, 2 with one line if something has to be mended, 130 if it was stopped."""
    chosen = parser().parse_args(arguments)
    from core.errors import StemworksError

    try:
        with Stopping() as stopping:
            _train(chosen, stopping)
    except (TrainingError, StemworksError, OSError) as error:
        print(f"train-bridge: {error}", file=sys.stderr)
        return 2
    except (TrainingStopped, KeyboardInterrupt):
        print("train-bridge: stopped; the same command goes on from where it was", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(
        prog="python -m training",
        description="Train a bridge model for the engine encodec on a folder of music. The same command goes on with a "
        "training that was stopped or killed, to the same bits.",
    )
    top.add_argument("data", type=_folder, metavar="FOLDER", help="the music: wav, flac, mp3, m4a, aac, ogg, opus")
    top.add_argument("--out", type=Path, default=_OUT, help="where the checkpoint goes (default %(default)s)")
    top.add_argument("--cache", type=Path, default=_CACHE, help="where latents are kept (default %(default)s)")
    top.add_argument("--codec", type=Path, help="folder of EnCodec's weights (default: where the engine looks)")
    top.add_argument("--upload", metavar="NAME", help="put the best model into the container models under this name")
    top.add_argument(
        "--save-steps",
        type=within(int, {"least": 1}),
        default=100,
        metavar="INT",
        help="steps between snapshots; there is one after every epoch, too (default %(default)s)",
    )
    add_options(top.add_argument_group("what decides how the model comes out"))
    return top


def _folder(text: str) -> Path:
    if not text:  # which Path would take for the folder that one stands in
        raise argparse.ArgumentTypeError("no folder is named")
    return Path(text)


def _train(chosen: argparse.Namespace, stopping: Stopping) -> None:
    from core.settings import settings
    from training.bridge import Places, train
    from training.display import display

    try:
        known = settings()
    except ValueError as error:
        raise TrainingError(str(error)) from error
    places = Places(chosen.data, chosen.out, chosen.cache, chosen.codec, chosen.upload, chosen.save_steps)
    with display() as shown:
        train(recipe_of(chosen), places, known, shown, stopping)


if __name__ == "__main__":
    sys.exit(main())
