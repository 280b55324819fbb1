"""One attempt at a generation: load the model, have it make the missing stems, deliver each as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from functools import partial

from core.audio.blocks import closable
from core.errors import CancelRequested, DeadlineExceeded, EngineFailed, FieldError, InvalidRequest
from core.files.background import WriteBehind
from core.generation.files import StemFiles
from core.generation.inputs import MELODY, inputs_of
from core.generation.previews import PreviewFiles, PreviewTrack
from core.generation.receipt import FinishedStem, Maker, receipt
from core.generation.recordings import recordings
from core.generation.request import GenerationParameters
from core.generation.stems import stem_requests
from core.generation.track import Delivery, StemTrack
from core.jobs.model import Job
from core.jobs.progress import Progress
from core.ports import Blobs, Engines, Renderer, StemRequest

_PARTS_BEHIND = 8  # of previews, which wait for storage in memory


class Attempt:
    """One attempt. Stems that an earlier one finished are found in storage, and not made again."""

    def __init__(self, engines: Engines, blobs: Blobs, job: Job, progress: Progress) -> None:
        parameters = GenerationParameters.model_validate(job.request["parameters"])
        self._delivery = Delivery(parameters.sample_rate, parameters.channels, parameters.loudness_lufs)
        self._random_seed = parameters.random_seed or 0
        self._stems: list[str] = job.request["target_stems"]
        self._model: str | None = job.request.get("model")
        self._engine = engines.generation(job.engine.name)
        self._files = StemFiles(blobs, job)
        self._blobs = blobs
        self._job = job
        self._progress = progress
        self._finished: dict[str, FinishedStem] = {}

    def run(self) -> None:
        """Make what is missing. Raises ``EngineError``, ``AudioError``, ``SourceChanged`` or what stops an attempt."""
        if self._job.attempt > 1:
            self._finished = {stem: found for stem in self._stems if (found := self._files.find(stem))}
        makers = [stem.maker for stem in self._finished.values()]
        if len(makers) < len(self._stems) or any(maker != makers[0] for maker in makers):
            self._make()
        finished = [self._finished[stem] for stem in self._stems]
        for stem in finished:
            self._progress.produced(stem.output)  # once more, for the order that was asked for
        self._progress.measured(receipt(finished, self._random_seed, inputs_of(self._job)))

    def _make(self) -> None:
        with ExitStack() as resources, WriteBehind(len(self._stems)) as uploads:
            try:
                self._render(resources, uploads)
                self._progress.report(1, "storing", "writing the last files")
            finally:
                uploads.wait()  # whatever became of the others, a stem that is complete is worth keeping

    def _render(self, resources: ExitStack, uploads: WriteBehind) -> None:
        self._progress.report(0, "loading", f"loading {self._job.engine.name} {self._model or ''}".rstrip())
        with self._engine.load(self._model, self._progress.check) as renderer:
            self._check_melody(renderer)
            maker = Maker.of(self._engine.info, self._engine.info.model(self._model), renderer)
            self._forget_others_work(maker)
            requests = self._requests(renderer.sample_rate)
            tracks = self._tracks(requests, renderer, resources)
            with closing(closable(renderer.render(requests, self._step(tracks)))) as pieces:
                for piece in pieces:
                    track = tracks[piece.stem]
                    if piece.block.size and track.add(piece.block):
                        uploads.submit(partial(self._deliver, track, maker))
        if unfinished := [track.stem_type for track in tracks if not track.complete]:
            raise EngineFailed(f"the engine made too few samples of {', '.join(unfinished)}")

    def _check_melody(self, renderer: Renderer) -> None:
        """Of an operator's own model it shows only now what it can do."""
        if MELODY in inputs_of(self._job) and not renderer.follows_melody:
            detail = f"{self._job.engine.name} {self._model} follows no melody: leave it out, or choose another model"
            raise InvalidRequest([FieldError(f"/{MELODY}", detail)])

    def _tracks(self, requests: list[StemRequest], renderer: Renderer, resources: ExitStack) -> list[StemTrack]:
        previews: list[PreviewTrack | None] = [None] * len(requests)
        if self._job.request.get("preview"):
            behind = resources.enter_context(WriteBehind(_PARTS_BEHIND))
            files = PreviewFiles(self._blobs, self._job, self._progress, behind.submit)
            previews = [PreviewTrack(files, request.stem_type, self._delivery) for request in requests]
        return [
            resources.enter_context(StemTrack(request, renderer, self._delivery, preview))
            for request, preview in zip(requests, previews, strict=True)
        ]

    def _requests(self, sample_rate: int) -> list[StemRequest]:
        """What is still to be made, with what came along."""
        seconds = self._job.request["parameters"]["duration_seconds"]
        along = recordings(
            self._blobs, inputs_of(self._job), sample_rate, seconds,
            lambda name: self._progress.report(0, "reading", f"decoding the {name.replace('_', ' ')}"),
        )  # fmt: skip
        return [request for request in stem_requests(self._job, **along) if request.stem_type not in self._finished]

    def _forget_others_work(self, maker: Maker) -> None:
        """The stems of a job have one maker: what other weights or libraries made is made again."""
        self._finished = {name: stem for name, stem in self._finished.items() if stem.maker == maker}
        for stem in self._finished.values():
            self._progress.produced(stem.output)

    def _step(self, tracks: list[StemTrack]) -> Callable[[float], None]:
        """What the engine tells its share of the work to, 0 to 1."""
        done = len(self._finished) / len(self._stems)
        names = ", ".join(track.stem_type for track in tracks)

        def step(share: float) -> None:
            self._progress.report(done + (1 - done) * share, "generating", f"{names}: {100 * share:.0f} %")

        return step

    def _deliver(self, track: StemTrack, maker: Maker) -> None:
        levelled = track.level()
        with suppress(CancelRequested, DeadlineExceeded):  # a stem that is complete serves a retry
            self._progress.confirm_lease()  # what an attempt that took over has made is not to be written over
        stem = self._files.store(track, levelled, maker)
        track.close()
        self._finished[track.stem_type] = stem
        self._progress.produced(stem.output)
