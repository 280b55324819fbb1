"""Does a generation job: engine, level, encoding, storage, one stem after the other."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

from core.audio.spool import Spool
from core.audio.wav import encode_wav, wav_size_bytes
from core.audio.waveform import gain_for_peak
from core.errors import EngineFailed
from core.generation.prompts import build_description
from core.generation.request import GenerationParameters
from core.jobs.model import AUDIO_FILES, Job, Output
from core.jobs.progress import Progress
from core.ports import Blobs, Engines, GenerationEngine, StemRequest

if TYPE_CHECKING:
    from core.ports import Block

PEAK = 0.8  # every stem's largest sample
_IN_MEMORY_BYTES = 4 * 2**20
_PIECE_BYTES = 2**20


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
        with Spool(engine.info.channels) as spool, tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
            for block in engine.render(request):
                _append(spool, block, engine)
                seconds = spool.frames / engine.info.sample_rate
                message = f"{request.stem_type}: {seconds:.1f} of {request.duration_seconds:g} s"
                progress.report(done + share * seconds / request.duration_seconds, "generating", message)
            digest = _encode(spool, engine, file)
            progress.report(done + share, "storing", f"{request.stem_type}: storing the file")
            output = self._describe(job, engine, request, spool.frames, digest)
            self.blobs.write(
                AUDIO_FILES,
                job.folder + output.name,
                partial(_pieces, file),
                size_bytes=output.file_size_bytes,
                content_type="audio/wav",
                metadata={"output": output.model_dump_json()},
            )
        return output

    def _describe(self, job: Job, engine: GenerationEngine, request: StemRequest, frames: int, digest: str) -> Output:
        name = _file_name(request)
        return Output(
            name=name,
            stem_type=request.stem_type,
            blob_url=self.blobs.url(AUDIO_FILES, job.folder + name),
            file_size_bytes=wav_size_bytes(frames, engine.info.channels),
            format="wav",
            sample_rate=engine.info.sample_rate,
            channels=engine.info.channels,
            duration_seconds=round(frames / engine.info.sample_rate, 6),
            sha256=digest,
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


def _append(spool: Spool, block: Block, engine: GenerationEngine) -> None:
    try:
        spool.append(block)
    except ValueError as error:
        raise EngineFailed(f"{engine.info.name} made samples that cannot be written: {error}") from None


def _encode(spool: Spool, engine: GenerationEngine, file: IO[bytes]) -> str:
    """Write the stem as WAV at its final level; returns the file's SHA-256."""
    digest = hashlib.sha256()
    for piece in encode_wav(
        spool.blocks(gain_for_peak(spool.peak, PEAK)), spool.frames, engine.info.sample_rate, engine.info.channels
    ):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        yield piece
