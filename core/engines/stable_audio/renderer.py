"""A loaded Stable Audio model that turns requests into stems."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from core.engines.memory import is_out_of_memory
from core.engines.stable_audio.batching import Batcher, Row
from core.engines.stable_audio.decoding import decode
from core.errors import EngineFailed, NotFinite
from core.ports import Piece, StemRequest


class StableAudioRenderer:
    """A ``Renderer``. Stems of one length and one setting run as one batch, those of other requests among them."""

    def __init__(self, pipeline: Any, weights: str, compute: str, most_rows: int) -> None:
        """Take over a ``StableAudioPipeline``.

        Args:
            weights: their SHA-256.
            compute: see ``Renderer``.
            most_rows: how many stems run at once at most.
        """
        self.sample_rate: int = pipeline.vae.config.sampling_rate
        self.channels: int = pipeline.vae.config.audio_channels
        self.weights: str | None = weights
        self.compute: str | None = compute
        self.follows_melody = False
        self._pipeline = pipeline
        self._batcher = Batcher(self._sample, most_rows)

    def render(self, requests: Sequence[StemRequest], step: Callable[[float], None]) -> Iterator[Piece]:
        """Yield the stems one after the other, in blocks of about a second. See ``Renderer``.

        A row draws all its noise from generators of its own, so that a stem sounds the same alone and in a batch, to
        within the rounding of the precision.

        Raises:
            EngineFailed: longer than the model can; a single stem does not fit into memory; the model broke.
            NotFinite: the model computed something that is not a number.
        """
        self._check_lengths(requests)
        with self._batcher.rows(requests) as rows:
            progress = _Progress(rows, step)
            for stem, row in enumerate(rows):
                while row.pending:
                    progress.tell()
                    self._batcher.wait(row)
                if row.error:
                    raise row.error
                assert row.latents is not None
                for block in self._decode(row.request, row.latents):
                    yield Piece(stem, block)
                    progress.tell()
                row.latents = None
                progress.decoded += 1
                progress.tell()

    def _check_lengths(self, requests: Sequence[StemRequest]) -> None:
        latents = self._pipeline.transformer.config.sample_size
        longest_seconds = latents * self._pipeline.vae.hop_length / self.sample_rate
        if any(request.duration_seconds > longest_seconds for request in requests):
            raise EngineFailed(f"this model makes at most {longest_seconds:.1f} s at once")

    @torch.inference_mode()
    def _sample(self, rows: Sequence[Row], stepped: Callable[[torch.Tensor], None]) -> torch.Tensor:
        """Latents ``[B, D, L]`` of the model's whole length."""
        first, requests = rows[0], [row.request for row in rows]
        negative = [request.negative_description for request in requests]
        made = self._pipeline(
            prompt=[request.description for request in requests],
            negative_prompt=negative if first.request.negative_description else None,
            audio_end_in_s=first.request.duration_seconds,
            num_inference_steps=first.steps,
            guidance_scale=first.guidance_scale,
            generator=[torch.Generator().manual_seed(request.seed) for request in requests],
            callback=lambda index, timestep, latents: stepped(latents),
            output_type="latent",
        )
        return made.audios  # type: ignore[no-any-return] # diffusers has no annotations

    def _decode(self, request: StemRequest, latents: torch.Tensor) -> Iterator[Any]:
        frames = round(request.duration_seconds * self.sample_rate)
        try:
            for block in decode(self._pipeline.vae, latents, frames):
                if not math.isfinite(block.sum()):
                    raise NotFinite("the model's samples are not finite")
                yield block
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise EngineFailed("there is not enough memory to decode a single stem of this model") from error
            raise EngineFailed(f"the model broke: {error}") from error


class _Progress:
    """The share of all rows' steps that is done; decoding a row counts as one step more."""

    def __init__(self, rows: Sequence[Row], step: Callable[[float], None]) -> None:
        self.decoded = 0
        self._rows, self._step, self._share = rows, step, 0.0

    def tell(self) -> None:
        """How far it is; never less than before, though steps may be done again."""
        done = sum(row.done for row in self._rows) + self.decoded
        self._share = max(self._share, done / sum(row.steps + 1 for row in self._rows))
        self._step(self._share)
