"""Separation in windows: what ``demucs.apply.apply_model`` does with a whole song in memory, done on a stream."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from core.audio.resample import ResampledMixture, cut, resample, resampled_frames, run_in_second
from core.engines.demucs.lanes import Lane
from core.engines.demucs.windows import Grid, SlidingInput
from core.errors import EngineFailed, NotFinite

if TYPE_CHECKING:
    from core.engines.compute import Compute
    from core.engines.demucs.lanes import Batch
    from core.engines.demucs.models import Bag
    from core.ports import Block, Mixture, SeparationSettings, StemBlock

_LONGEST_SHIFT_SECONDS = 0.5  # as in demucs.apply
_SMALLEST_DEVIATION = 1e-8  # as in demucs.api: what keeps silence from being divided by zero
_BLOCK_SECONDS = 1.0  # at least so much is handed out at once


class DemucsSeparator:
    """A ``Separator``: a bag of models and the settings of one request."""

    def __init__(self, bag: Bag, compute: Compute, settings: SeparationSettings) -> None:
        self._bag, self._compute, self._settings = bag, compute, settings
        wanted = set(bag.sources) & set(settings.sources or ()) or set(bag.sources)
        indices = [index for index, source in enumerate(bag.sources) if source in wanted]
        self._used = [any(weights[index] for index in indices) for weights in bag.weights]
        left_out = [weights for weights, used in zip(bag.weights, self._used, strict=True) if not used]
        self._made = [index for index in range(len(bag.sources)) if not any(weights[index] for weights in left_out)]
        self.sources = tuple(bag.sources[index] for index in self._made)
        self.complete = len(self.sources) == len(bag.sources)
        self.weights: str | None = bag.digest

    def steps(self, mixture: Mixture, start_frame: int = 0) -> int:
        frames, start = self._model_frames(mixture), self._model_start(mixture, start_frame)
        return sum(lane.remaining for lane in self._lanes(frames, start))

    def separate(self, mixture: Mixture, start_frame: int, step: Callable[[], None]) -> Iterator[StemBlock]:
        start = self._model_start(mixture, start_frame)
        at_model_rate = mixture
        if mixture.sample_rate != self._bag.sample_rate:
            at_model_rate = ResampledMixture(mixture, self._bag.sample_rate)
        with closing(self._stereo(at_model_rate, start, step)) as separated:
            blocks: Iterator[StemBlock] = separated
            if mixture.channels == 1:
                blocks = (block.mean(axis=1, keepdims=True) for block in blocks)
            if at_model_rate is not mixture:
                blocks = self._resampled(blocks, mixture, start_frame)
            for block in blocks:
                if not np.isfinite(block).all():
                    raise NotFinite(f"demucs made samples that are no numbers, computing in {self._compute.precision}")
                yield block

    def _model_frames(self, mixture: Mixture) -> int:
        return resampled_frames(mixture.frames, mixture.sample_rate, self._bag.sample_rate)

    def _model_start(self, mixture: Mixture, start_frame: int) -> int:
        """The frame at the model's rate to begin at; earlier if what follows must fill a filter first."""
        if mixture.sample_rate == self._bag.sample_rate:
            return start_frame
        return run_in_second(start_frame, mixture.sample_rate) * self._bag.sample_rate

    def _resampled(self, blocks: Iterator[StemBlock], mixture: Mixture, start_frame: int) -> Iterator[StemBlock]:
        rate, channels = mixture.sample_rate, len(self.sources) * mixture.channels
        flat = (block.reshape(channels, -1) for block in blocks)
        resampled = resample(flat, self._bag.sample_rate, rate, channels)
        skipped = start_frame - run_in_second(start_frame, rate) * rate
        for block in cut(resampled, skipped, mixture.frames - start_frame):
            yield block.reshape(len(self.sources), mixture.channels, -1)

    def _stereo(self, mixture: Mixture, start: int, step: Callable[[], None]) -> Generator[StemBlock, None, None]:
        """The sources ``[S, 2, T]`` at the model's rate from frame ``start`` on."""
        lanes = self._lanes(mixture.frames, start)
        normalised = NormalisedMixture(mixture)
        least = round(_BLOCK_SECONDS * self._bag.sample_rate)
        made = start
        with SlidingInput(normalised, min(lane.input_start for lane in lanes)) as frames:
            while made < mixture.frames:
                lane = min(lanes, key=lambda lane: lane.frontier)
                for _ in range(lane.advance(frames, self._run, self._compute.batch(lane.model.segment))):
                    step()
                frames.forget(min(lane.input_start for lane in lanes))
                ready = min(lane.frontier for lane in lanes)
                if ready - made >= least or ready == mixture.frames:
                    shares = [lane.take(ready, self._made) for lane in lanes]
                    yield normalised.restore(functools.reduce(np.add, shares))
                    made = ready

    def _lanes(self, frames: int, start: int) -> list[Lane]:
        """A lane for every shift of every model that is used; which are used changes nobody's shifts."""
        chance = random.Random(self._settings.seed)  # noqa: S311 - shifts the grid, guards nothing
        longest = int(_LONGEST_SHIFT_SECONDS * self._bag.sample_rate)
        totals = np.sum(self._bag.weights, axis=0)
        lanes = []
        for model, weights, used in zip(self._bag.models, self._bag.weights, self._used, strict=True):
            origins = [chance.randint(0, longest) - longest for _ in range(self._settings.shifts)] or [0]
            gains = [weights[index] / totals[index] / len(origins) for index in self._made]
            lanes += [Lane(self._grid(model, frames, origin), model, gains, start) for origin in origins if used]
        return lanes

    def _grid(self, model: Any, frames: int, origin: int) -> Grid:
        segment_length = int(model.samplerate * model.segment)
        stride = int((1 - self._settings.overlap) * segment_length)
        return Grid(origin, frames, segment_length, stride, getattr(model, "valid_length", int))

    def _run(self, model: Any, windows: Batch) -> Batch:
        """Call a model with normalised windows ``[B, 2, T]``; its sources, normalised too."""
        try:
            with torch.inference_mode(), self._compute.autocast():
                made: Batch = model(self._compute.move(torch.from_numpy(windows))).float().cpu().numpy()
        except RuntimeError as error:  # torch's, out of memory among them
            raise EngineFailed(f"demucs failed on a segment: {error}") from error
        return made


class NormalisedMixture:
    """A ``Mixture`` in stereo whose downmix has mean 0 and deviation 1, as demucs' API normalises it."""

    channels = 2
    mean = 0.0
    standard_deviation = 1.0

    def __init__(self, mixture: Mixture) -> None:
        self.sample_rate, self.frames = mixture.sample_rate, mixture.frames
        self._mixture = mixture
        self._mean = np.float32(mixture.mean)
        self._scale = np.float32(mixture.standard_deviation + _SMALLEST_DEVIATION)

    def blocks(self, start_frame: int = 0) -> Iterator[Block]:
        for block in self._mixture.blocks(start_frame):
            yield np.broadcast_to((block - self._mean) / self._scale, (2, block.shape[1]))

    def restore(self, sources: StemBlock) -> StemBlock:
        """Sources made from it, brought back to the mixture's level."""
        return sources * self._scale + self._mean
