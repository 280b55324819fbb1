"""What came of a separation; stored beside its files, so that work is not repeated that had only to be announced."""

from __future__ import annotations

from typing import Any, ClassVar

from core.jobs.model import AUDIO_FILES, Job, Model, Output
from core.ports import Blobs


class Report(Model):
    """The files of a job, and what was measured of the whole."""

    NAME: ClassVar[str] = ".report.json"

    outputs: tuple[Output, ...]
    result: dict[str, Any]

    def store(self, blobs: Blobs, job: Job) -> None:
        """Keep it; from here on the job's work is done."""
        content = self.model_dump_json().encode()
        blobs.write(
            AUDIO_FILES, job.folder + self.NAME, lambda: iter((content,)), size_bytes=len(content),
            content_type="application/json", metadata={},
        )  # fmt: skip
