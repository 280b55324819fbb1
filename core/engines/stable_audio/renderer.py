"""A loaded Stable Audio model that turns requests into stems."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from core.engines.memory import give_back_memory, is_out_of_memory
from core.engines.stable_audio.decoding import decode
from core.errors import EngineFailed, NotFinite
from core.ports import Piece, StemRequest

DEFAULT_STEPS = 100  # both as diffusers has them for this model
DEFAULT_GUIDANCE_SCALE = 7.0
_TURN_SECONDS = 0.1


@dataclass(frozen=True)
class _Row:
    """A stem to make: its place among the requests, and the request."""

    stem: int
    request: StemRequest

    @property
    def steps(self) -> int:
        return self.request.steps or DEFAULT_STEPS

    @property
    def guidance_scale(self) -> float:
        scale = self.request.guidance_scale
        return DEFAULT_GUIDANCE_SCALE if scale is None else scale

    @property
    def kind(self) -> tuple[float, int, float, bool]:
        """What the rows of a batch must have in common: a model without a negative prompt is guided in another way."""
        return (
            self.request.duration_seconds,
            self.steps,
            self.guidance_scale,
            bool(self.request.negative_description),
        )


class _Progress:
    """The share of all rows' steps that is done; decoding a row counts as one step more."""

    def __init__(self, rows: Sequence[_Row], step: Callable[[float], None]) -> None:
        self._total = sum(row.steps + 1 for row in rows)
        self._step, self._done, self._share = step, 0, 0.0

    def tell(self, ahead: int = 0) -> None:
        """``ahead`` row steps of a batch that is not finished are done, and may be lost if memory runs out."""
        self._share = max(self._share, (self._done + ahead) / self._total)
        self._step(self._share)

    def add(self, row_steps: int) -> None:
        """Row steps that are done for good."""
        self._done += row_steps
        self.tell()


class StableAudioRenderer:
    """A ``Renderer``. Stems of one length and one setting run as one batch; requests take turns, batch by batch."""

    def __init__(self, pipeline: Any, weights: str) -> None:
        """Take over a ``StableAudioPipeline``, and the SHA-256 of its weights."""
        self.sample_rate: int = pipeline.vae.config.sampling_rate
        self.channels: int = pipeline.vae.config.audio_channels
        self.weights: str | None = weights
        self._pipeline = pipeline
        self._turn = threading.Lock()  # the scheduler has one state, and a GPU is no faster with two batches

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """Yield the stems one after the other, in blocks of about a second. See ``Renderer``.

        A row draws all its noise from generators of its own, so that a stem sounds the same alone and in a batch, to
        within the rounding of the precision.

        Raises:
            EngineFailed: longer than the model can; a single stem does not fit into memory; the model broke.
            NotFinite: the model computed something that is not a number.
        """
        rows = [_Row(index, request) for index, request in enumerate(requests)]
        self._check_lengths(rows)
        progress = _Progress(rows, step)
        batches = _batches(rows)
        while batches:
            batch = batches.pop(0)
            latents = self._sample(batch, progress)
            if latents is None:
                give_back_memory()
                half = len(batch) // 2
                batches[:0] = [batch[:half], batch[half:]]
                continue
            progress.add(len(batch) * batch[0].steps)
            for row, row_latents in zip(batch, latents, strict=True):
                yield from self._decode(row, row_latents, progress)
                progress.add(1)

    def _check_lengths(self, rows: list[_Row]) -> None:
        latents = self._pipeline.transformer.config.sample_size
        longest_seconds = latents * self._pipeline.vae.hop_length / self.sample_rate
        for row in rows:
            if row.request.duration_seconds > longest_seconds:
                raise EngineFailed(f"this model makes at most {longest_seconds:.1f} s at once")

    def _sample(self, batch: list[_Row], progress: _Progress) -> torch.Tensor | None:
        """Latents ``[B, D, L]`` of the model's whole length; ``None`` if there is no memory for so many at once."""

        def after_step(index: int, timestep: object, latents: torch.Tensor) -> None:
            if not torch.isfinite(latents).all():
                raise NotFinite(f"the model's latents are not finite after step {index + 1}")
            progress.tell(len(batch) * (index + 1))

        first = batch[0]
        self._take_turn(progress)
        try:
            made = self._pipeline(
                prompt=[row.request.description for row in batch],
                negative_prompt=[row.request.negative_description for row in batch] if first.kind[-1] else None,
                audio_end_in_s=first.request.duration_seconds,
                num_inference_steps=first.steps,
                guidance_scale=first.guidance_scale,
                generator=[torch.Generator().manual_seed(row.request.seed) for row in batch],
                callback=after_step,
                output_type="latent",
            )
            return made.audios  # type: ignore[no-any-return] # diffusers has no annotations
        except (RuntimeError, MemoryError) as error:
            self._check_room(error, len(batch))
            return None
        finally:
            self._turn.release()

    def _take_turn(self, progress: _Progress) -> None:
        while not self._turn.acquire(timeout=_TURN_SECONDS):
            progress.tell()

    def _decode(self, row: _Row, latents: torch.Tensor, progress: _Progress) -> Iterator[Piece]:
        frames = round(row.request.duration_seconds * self.sample_rate)
        try:
            for block in decode(self._pipeline.vae, latents, frames):
                if not math.isfinite(block.sum()):
                    raise NotFinite("the model's samples are not finite")
                yield Piece(row.stem, block)
                progress.tell()
        except (RuntimeError, MemoryError) as error:
            self._check_room(error, 1)

    def _check_room(self, error: Exception, rows: int) -> None:
        """Pass over an error that fewer rows at once may avoid. Raises ``EngineFailed`` for any other."""
        if not is_out_of_memory(error):
            raise EngineFailed(f"the model broke: {error}") from error
        if rows == 1:
            raise EngineFailed("there is not enough memory for a single stem of this model") from error


def _batches(rows: list[_Row]) -> list[list[_Row]]:
    """Rows that can run at once, in the order in which the first of each kind comes."""
    kinds: dict[object, list[_Row]] = {}
    for row in rows:
        kinds.setdefault(row.kind, []).append(row)
    return list(kinds.values())
