"""The files that a job makes, on their way to storage, and what is measured on the way."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from core.audio.encode import open_encoder
from core.audio.formats import OUTPUT_FORMATS, OutputFormat
from core.audio.levels import rounded
from core.audio.loudness import LoudnessMeter
from core.files.background import WriteBehind
from core.files.writer import BlobWriter
from core.jobs.model import AUDIO_FILES, Job, Output
from core.ports import Blobs

if TYPE_CHECKING:
    from core.ports import Block

_UPLOADS_BEHIND = 4
_UPLOAD_THREADS = 2


class OutputFile:
    """An audio file of ``frames`` frames in the job's folder, called after ``stem_type``.

    ``sample_rate`` is in Hz; ``stage`` is ``BlobWriter``'s.
    """

    def __init__(
        self, blobs: Blobs, job: Job, stem_type: str, output_format: OutputFormat, *, sample_rate: int, channels: int,
        frames: int, stage: Callable[[Callable[[], None]], None],
    ) -> None:  # fmt: skip
        self._stem_type = stem_type
        self._format = OUTPUT_FORMATS[output_format]
        self._name = stem_type + self._format.extension
        self._url = blobs.url(AUDIO_FILES, job.folder + self._name)
        self._sample_rate, self._channels, self._frames = sample_rate, channels, frames
        self._file = BlobWriter(blobs, AUDIO_FILES, job.folder + self._name, stage, writer=f"attempt-{job.attempt}-")
        target = cast("BinaryIO", self._file)  # it has what the encoders need of one
        self._encoder = open_encoder(target, output_format, sample_rate, channels, frames)
        self._loudness = LoudnessMeter(sample_rate, channels)

    def write(self, block: Block) -> None:
        """Add a block ``[C, T]``."""
        self._encoder.write(block)
        self._loudness.add(block)

    def close(self) -> None:
        """Finish the file, and have the rest of it staged."""
        self._encoder.close()
        self._file.stage_rest()

    def abandon(self) -> None:
        """Let nothing more be uploaded: encoders finish their file even when they are merely forgotten."""
        self._file.abandon()

    def commit(self) -> Output:
        """Let it be seen, once all that was staged has been uploaded."""
        loudness = self._loudness.result()
        return Output(
            name=self._name,
            stem_type=self._stem_type,
            blob_url=self._url,
            file_size_bytes=self._file.size_bytes,
            format=self._format.extension.removeprefix("."),
            sample_rate=self._sample_rate,
            channels=self._channels,
            duration_seconds=round(self._frames / self._sample_rate, 6),
            sha256=self._file.commit(self._format.content_type),
            loudness_lufs=rounded(loudness.integrated_lufs),
            true_peak_dbtp=rounded(loudness.true_peak_dbtp),
        )


class OutputFiles:
    """The audio files of one attempt, written side by side; a context manager.

    None of them is seen before ``commit``. A block that ends with an error leaves nothing behind.
    """

    def __init__(self, blobs: Blobs, job: Job) -> None:
        self._blobs = blobs
        self._job = job
        self._uploads = WriteBehind(_UPLOADS_BEHIND, _UPLOAD_THREADS)
        self._files: list[OutputFile] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if error is not None:
            for file in self._files:
                file.abandon()
        self._uploads.__exit__(kind, error, tb)

    def open(
        self, stem_type: str, output_format: OutputFormat, *, sample_rate: int, channels: int, frames: int
    ) -> OutputFile:
        """One more file; as for ``OutputFile``."""
        file = OutputFile(
            self._blobs, self._job, stem_type, output_format, sample_rate=sample_rate, channels=channels,
            frames=frames, stage=self._uploads.submit,
        )  # fmt: skip
        self._files.append(file)
        return file

    def finish(self) -> None:
        """Finish every file, and wait until all of it has been uploaded."""
        for file in self._files:
            file.close()
        self._uploads.wait()

    def commit(self) -> list[Output]:
        """Let all of them be seen, in the order in which they were opened; they must be finished."""
        return [file.commit() for file in self._files]
