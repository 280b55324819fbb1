"""Latents on disk: each file is decoded and encoded once, and read from there ever after.

They are float16: 16 bits keep 11 significant ones, an error of at most 2⁻¹¹ of each value, far below the steps of the
codec's own quantiser, and half the disk of float32: 75 frames of 128 channels a second come to 69 MB for an hour.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from core.engines.digests import FileDigests, replacing
from core.errors import AudioError, NotFinite
from training.errors import TrainingError
from training.music import mono

if TYPE_CHECKING:
    from core.engines.encodec.codec import Codec
    from core.ports import Block

Latents = NDArray[np.float16]
"""``[T, D]``: time first, so that a segment lies in one piece on disk."""

_LAYOUT = "float16 [T, D]"
_PIECE_SECONDS = 60  # of a file are encoded at once: its length costs no memory
_MARGIN_SECONDS = 1  # on both sides of a piece, which the codec's convolutions and LSTM hear and which is then left out


@dataclass(frozen=True)
class Track:
    """A file's latents.

    Attributes:
        digest: SHA-256 of the file.
        latents: where they are, ``.npy``.
        frames: T.
    """

    digest: str
    latents: Path
    frames: int

    def open(self) -> Latents:
        """The latents, mapped into memory: only what is looked at is read."""
        mapped: Latents = np.load(self.latents, mmap_mode="r")
        return mapped


class LatentCache:
    """The latents of files, by the content of the file, the codec, and how it was used."""

    def __init__(self, folder: Path, codec: Codec, codec_digest: str, device: str) -> None:
        """``codec`` computes on ``device``; ``codec_digest`` is the SHA-256 of its weights."""
        made_by = [codec_digest, codec.sample_rate, codec.frame_length, _PIECE_SECONDS, _MARGIN_SECONDS, _LAYOUT]
        self._folder = folder / hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]
        self._digests = FileDigests(folder / "digests.json")
        self._codec, self._device = codec, device

    def track(self, path: Path) -> Track:
        """A file's latents, decoded and encoded if they are not there yet.

        Raises:
            AudioError, OSError: the file cannot be read.
            TrainingError: its latents cannot be written.
            NotFinite: the codec made something that float16 does not hold.
        """
        digest = self._digests.of(path)
        stored = self._folder / f"{digest}.npy"
        frames = _length(stored)
        if frames is None:
            frames = self._store(stored, encoded(mono(path, self._codec.sample_rate), self._codec, self._device))
        return Track(digest, stored, frames)

    def _store(self, target: Path, pieces: Iterator[Latents]) -> int:
        """How many frames were written."""
        whole = np.concatenate(list(pieces))
        if not np.isfinite(whole).all():
            raise NotFinite("the codec makes latents of it that are no finite numbers in float16")
        try:
            with replacing(target) as file:
                np.save(file, whole)
        except OSError as error:
            raise TrainingError(f"{target} cannot be written ({error.strerror or error})") from error
        return len(whole)


def encoded(blocks: Iterable[Block], codec: Codec, device: str) -> Iterator[Latents]:
    """Yield the latents of samples ``[1, T]`` that come block by block: ``ceil(T / frame_length)`` frames in all."""
    piece = _PIECE_SECONDS * codec.sample_rate // codec.frame_length
    margin = _MARGIN_SECONDS * codec.sample_rate // codec.frame_length
    held, lead = np.zeros((1, 0), np.float32), 0
    for block in blocks:
        held = np.concatenate([held, block], axis=1)
        while held.shape[1] >= (lead + piece + margin) * codec.frame_length:
            yield _frames(held[:, : (lead + piece + margin) * codec.frame_length], codec, device)[lead : lead + piece]
            held = held[:, (lead + piece - margin) * codec.frame_length :]
            lead = margin
    if held.shape[1] > lead * codec.frame_length:
        yield _frames(held, codec, device)[lead:]


def read_music(
    paths: Sequence[Path],
    track_of: Callable[[Path], Track],
    fewest_frames: int,
    encoded_one: Callable[[], None],
    skipped: Callable[[Path, str], None],
) -> list[Track]:
    """The tracks of files; what cannot be read or is too short is told to ``skipped``, and so is a second copy.

    ``encoded_one`` is called after every file; what it raises ends the reading, and nothing that was made is lost.
    """
    tracks: dict[str, Track] = {}
    for path in paths:
        try:
            track = track_of(path)
        except (AudioError, NotFinite, OSError) as error:
            skipped(path, str(error))
        else:
            if track.frames < fewest_frames:
                skipped(path, "too short for three segments")
            elif tracks.setdefault(track.digest, track) is not track:
                skipped(path, "the same file is there under another name")
        encoded_one()
    return list(tracks.values())


def _length(stored: Path) -> int | None:
    """The frames of stored latents; ``None`` if they are not there, or not whole: a power cut leaves such files."""
    try:
        return int(np.load(stored, mmap_mode="r").shape[0])
    except (OSError, ValueError, EOFError):
        return None


def _frames(samples: Block, codec: Codec, device: str) -> Latents:
    with torch.inference_mode():
        latents = codec.encode(torch.from_numpy(np.ascontiguousarray(samples))[None].to(device))
    frames: Latents = latents[0].T.to(torch.float16).cpu().numpy()
    return frames
