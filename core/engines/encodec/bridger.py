"""Bridges by a codec and a model between its encoder and its decoder, segment by segment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from core.audio.blocks import closable
from core.engines.encodec.segments import Crossfade, SegmentReader, segment_starts
from core.engines.memory import is_out_of_memory
from core.errors import EngineFailed, NotFinite
from core.ports import Pair

if TYPE_CHECKING:
    from core.engines.compute import Compute
    from core.engines.encodec.cascade import Cascade
    from core.engines.encodec.codec import Codec
    from core.ports import StemBlock

SEGMENT_SECONDS = 16.0
"""What the known checkpoints were trained on."""


class EncodecBridger:
    """A ``Bridger``: mono, so that each channel is bridged for itself. Jobs may use it at the same time."""

    def __init__(
        self,
        codec: Codec,
        cascade: Cascade,
        compute: Compute,
        weights: str,
        most_rows: int = 1,
        segment_seconds: float = SEGMENT_SECONDS,
    ) -> None:
        """Take over a codec and a folded model, both on the device of ``compute``.

        Args:
            compute: its precision is the model's; the codec computes in float32 always, or its noise were heard.
            weights: SHA-256 of both.
            most_rows: how many segments of one channel are computed at once at most.
        """
        self.sample_rate: int | None = codec.sample_rate
        self.weights: str | None = weights
        self.compute: str | None = f"{compute.precision} on {compute.device}"
        self.segment_seconds: float | None = segment_seconds
        self._codec, self._cascade, self._compute, self._most_rows = codec, cascade, compute, most_rows
        self._segment_length = round(segment_seconds * codec.sample_rate)

    def bridge(self, pair: Pair, step: Callable[[float], None]) -> Generator[StemBlock, None, None]:
        """Yield the new tracks in blocks of about a segment. See ``Bridger``.

        However many ratios there are, both tracks are encoded once and the model runs once.

        Raises:
            EngineFailed: the model broke, or there is not enough memory for it.
            NotFinite: it made something that is not a number.
        """
        length = min(self._segment_length, pair.frames)
        fade = max(min(round(pair.crossfade_seconds * self._codec.sample_rate), self._segment_length // 2), 1)
        starts = segment_starts(pair.frames, length, fade)
        joined = Crossfade(fade)
        progress = _Progress(len(starts) * pair.channels * (3 + len(pair.ratios)), step)
        with (
            closing(closable(pair.track1.blocks())) as blocks1,
            closing(closable(pair.track2.blocks())) as blocks2,
        ):
            readers = [SegmentReader(blocks, pair.channels) for blocks in (blocks1, blocks2)]
            for batch in _batches(starts, max(self._most_rows // (2 * pair.channels), 1)):
                tracks = np.stack([[reader.read(start, length) for start in batch] for reader in readers])
                made = self._make(tracks, pair.ratios, progress)
                for start, segment in zip(batch, made, strict=True):
                    block = joined.add(start, segment)
                    if block.size:
                        yield block
        yield joined.rest()

    def _make(self, tracks: StemBlock, ratios: Sequence[float], progress: _Progress) -> StemBlock:
        """Segments of both tracks ``[2, S, C, T]`` to those of the new ones ``[S, R, C, T]``."""
        try:
            made = self._between(torch.from_numpy(tracks).flatten(1, 2), ratios, progress)
        except (RuntimeError, MemoryError) as error:  # torch's
            reason = "there is not enough memory for it" if is_out_of_memory(error) else str(error)
            raise EngineFailed(f"the bridge's model failed on a segment: {reason}") from error
        if not np.isfinite(made).all():
            raise self._not_finite("samples")
        return made.reshape(len(ratios), *tracks.shape[1:]).swapaxes(0, 1)

    @torch.inference_mode()
    def _between(self, tracks: Tensor, ratios: Sequence[float], progress: _Progress) -> StemBlock:
        """Rows of samples ``[2, B, T]`` to ``[R * B, T]``."""
        samples = tracks.flatten(0, 1)[:, None]
        first, second = self._in_parts(self._encode, [samples], progress).chunk(2)
        middle = self._in_parts(self._transform, [first, second], progress)
        latents = torch.cat([interpolate(first, middle, second, ratio) for ratio in ratios])
        if not latents.isfinite().all():  # a codebook would have something next to them, and nobody would notice
            raise self._not_finite("latents")
        made = self._in_parts(self._decode, [latents], progress)
        return made[:, 0, : tracks.shape[-1]].numpy()

    def _not_finite(self, what: str) -> NotFinite:
        return NotFinite(f"the bridge's model made {what} that are no numbers, computing in {self.compute}")

    def _in_parts(self, run: Callable[..., Tensor], rows: Sequence[Tensor], progress: _Progress) -> Tensor:
        made = []
        for start in range(0, len(rows[0]), self._most_rows):
            made.append(run(*(several[start : start + self._most_rows] for several in rows)))
            progress.add(len(made[-1]))
        return torch.cat(made)

    def _encode(self, samples: Tensor) -> Tensor:
        return self._codec.encode(self._compute.move(samples))

    def _transform(self, first: Tensor, second: Tensor) -> Tensor:
        with self._compute.autocast():
            made: Tensor = self._cascade(first, second)
        return made.float()

    def _decode(self, latents: Tensor) -> Tensor:
        return self._codec.decode(self._codec.quantise(latents)).cpu()


def interpolate(first: Tensor, middle: Tensor, second: Tensor, ratio: float) -> Tensor:
    """The point at ``ratio`` of the way from ``first`` (0) straight to ``middle`` (0.5) and on to ``second`` (1)."""
    if ratio <= 0.5:
        return torch.lerp(first, middle, 2 * ratio)
    return torch.lerp(middle, second, 2 * ratio - 1)


class _Progress:
    """Tells which share of all rows, each counted once for every pass that it takes, is done."""

    def __init__(self, total: int, step: Callable[[float], None]) -> None:
        self._total, self._done, self._step = total, 0, step

    def add(self, rows: int) -> None:
        self._done += rows
        self._step(self._done / self._total)


def _batches(starts: Sequence[int], size: int) -> Iterator[list[int]]:
    remaining = iter(starts)
    while batch := list(islice(remaining, size)):
        yield batch
