"""The file of an effects job on its way to storage, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, cast

from core.audio.encode import open_encoder
from core.audio.formats import OUTPUT_FORMATS, OutputFormat
from core.audio.loudness import LoudnessMeter
from core.files.upload import UploadedAudio
from core.files.writer import BlobWriter
from core.jobs.model import AUDIO_FILES, Job, Output
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block

NAME = "processed"
"""Of the file, without its extension."""


class ProcessedFile:
    """A file of ``frames`` frames at the source's rate and channels; ``stage`` is ``BlobWriter``'s."""

    def __init__(
        self, blobs: Blobs, job: Job, output_format: OutputFormat, audio: UploadedAudio, frames: int,
        stage: Callable[[Callable[[], None]], None],
    ) -> None:  # fmt: skip
        self._format = OUTPUT_FORMATS[output_format]
        self._name = NAME + self._format.extension
        self._url = blobs.url(AUDIO_FILES, job.folder + self._name)
        self._audio = audio
        self._frames = frames
        self._file = BlobWriter(blobs, AUDIO_FILES, job.folder + self._name, stage, writer=f"attempt-{job.attempt}-")
        target = cast("BinaryIO", self._file)  # it has what the encoders need of one
        self._encoder = open_encoder(target, output_format, audio.sample_rate, audio.channels, frames)
        self._loudness = LoudnessMeter(audio.sample_rate, audio.channels)

    def write(self, block: Block) -> None:
        """Add a block ``[C, T]``."""
        self._encoder.write(block)
        self._loudness.add(block)

    def close(self) -> None:
        """Finish the file, and have the rest of it staged."""
        self._encoder.close()
        self._file.stage_rest()

    def abandon(self) -> None:
        """Let nothing more be uploaded."""
        self._file.abandon()

    def commit(self) -> Output:
        """Let it be seen, once all that was staged has been uploaded."""
        loudness = self._loudness.result()
        return Output(
            name=self._name,
            stem_type=NAME,
            blob_url=self._url,
            file_size_bytes=self._file.size_bytes,
            format=self._format.extension.removeprefix("."),
            sample_rate=self._audio.sample_rate,
            channels=self._audio.channels,
            duration_seconds=round(self._frames / self._audio.sample_rate, 6),
            sha256=self._file.commit(self._format.content_type),
            loudness_lufs=_rounded(loudness.integrated_lufs),
            true_peak_dbtp=_rounded(loudness.true_peak_dbtp),
        )


def _rounded(level: float | None) -> float | None:
    return None if level is None else round(level, 2)
