"""Does a generation job: engine, level, encoding, storage, one stem after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.generation.prompts import build_description
from core.generation.request import GenerationParameters
from core.jobs.model import AUDIO_FILES, Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs, Engines, GenerationEngine, StemRequest

if TYPE_CHECKING:
    from core.generation.rendering import RenderedFile


@dataclass(frozen=True)
class GenerationWorker:
    """A ``Worker`` for generation jobs."""

    engines: Engines
    blobs: Blobs

    def run(self, job: Job, progress: Progress) -> None:
        """Make every stem that is not in storage yet; a stem's name says where it is, so a second run finds it."""
        engine = self.engines.generation(job.engine.name)
        requests = stem_requests(job)
        for index, request in enumerate(requests):
            output = self._finished(job, request) if job.attempt > 1 else None
            if output is None:
                output = self._make(job, engine, request, progress, index / len(requests), 1 / len(requests))
            progress.produced(output)

    def _finished(self, job: Job, request: StemRequest) -> Output | None:
        found = self.blobs.properties(AUDIO_FILES, job.folder + _file_name(request))
        return Output.model_validate_json(found.metadata["output"]) if found else None

    def _make(
        self, job: Job, engine: GenerationEngine, request: StemRequest, progress: Progress, done: float, share: float
    ) -> Output:
        # brings numpy, which a process that only answers HTTP need not load
        from core.generation.rendering import RenderedFile

        def report(seconds: float) -> None:
            message = f"{request.stem_type}: {seconds:.1f} of {request.duration_seconds:g} s"
            progress.report(done + share * seconds / request.duration_seconds, "generating", message)

        with RenderedFile(engine, request, report) as file:
            progress.report(done + share, "storing", f"{request.stem_type}: storing the file")
            output = self._describe(job, engine, request, file)
            self.blobs.write(
                AUDIO_FILES,
                job.folder + output.name,
                file.pieces,
                size_bytes=output.file_size_bytes,
                content_type="audio/wav",
                metadata={"output": output.model_dump_json()},
            )
        return output

    def _describe(self, job: Job, engine: GenerationEngine, request: StemRequest, file: RenderedFile) -> Output:
        name = _file_name(request)
        return Output(
            name=name,
            stem_type=request.stem_type,
            blob_url=self.blobs.url(AUDIO_FILES, job.folder + name),
            file_size_bytes=file.size_bytes,
            format="wav",
            sample_rate=file.sample_rate,
            channels=engine.info.channels,
            duration_seconds=round(file.frames / file.sample_rate, 6),
            sha256=file.sha256,
        )


def stem_requests(job: Job) -> list[StemRequest]:
    """What the engine is asked for, one request a stem."""
    parameters = GenerationParameters.model_validate(job.request["parameters"])
    chords = parameters.chord_progression
    return [
        StemRequest(
            stem_type=stem,
            duration_seconds=parameters.duration_seconds,
            tempo_bpm=parameters.target_bpm,
            style=parameters.style,
            chords=chords,
            description=build_description(stem, parameters.style, parameters.target_bpm, chords, parameters.prompt),
            temperature=parameters.temperature,
            seed=(parameters.random_seed or 0) % 2**63,
        )
        for stem in job.request["target_stems"]
    ]


def _file_name(request: StemRequest) -> str:
    return f"{request.stem_type}.wav"
