"""The music of a folder: which files there are, and their samples as the codec takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.audio.conversion import Conversion
from core.audio.decode import decode, probe
from core.audio.formats import container_of_name
from training.errors import TrainingError

if TYPE_CHECKING:
    from core.ports import Block

_LONGEST_SECONDS = 4 * 3600.0  # of a file; its latents are held in memory until they are written


def find_music(folder: Path) -> list[Path]:
    """Every audio file below ``folder``, by its extension, in one order; what is hidden is passed over.

    Links to folders are followed, each folder once.

    Raises ``TrainingError`` if the folder is not there or holds none.
    """
    if not folder.is_dir():
        raise TrainingError(f"{folder} is no folder: name one that holds music (make train-bridge DATA=FOLDER)")
    found = sorted(_audio_below(folder))
    if not found:
        raise TrainingError(f"{folder} holds no audio files (wav, flac, mp3, m4a, aac, ogg, opus)")
    return found


def mono(path: Path, sample_rate: int) -> Iterator[Block]:
    """Yield a file's samples ``[1, T]`` at ``sample_rate`` Hz, about a second at a time.

    Raises ``AudioError`` or ``OSError``, at the latest after the last block.
    """
    with path.open("rb") as file:
        info = probe(file, path.name, _LONGEST_SECONDS)
        conversion = Conversion(info.sample_rate, info.channels, sample_rate, 1)
        for block in decode(file, _LONGEST_SECONDS, path.name):
            yield conversion.add(block)
        yield conversion.finish()


def _audio_below(folder: Path) -> Iterator[Path]:
    seen = set()
    for top, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(top)) in seen:  # two links that lead back make more ways than can be gone
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(top) / name for name in files if not name.startswith(".") and container_of_name(name) is not None
        )
