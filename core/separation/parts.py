"""What is separated so far, in storage: the next attempt goes on from there.

An engine's pieces are kept as they come, in float32, until all are there: only then is the loudest sample known, by
which all stems are brought down alike. A part is one blob and appears whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from core.errors import BlobNotFound, WorkLost
from core.jobs.model import AUDIO_FILES, Model
from core.ports import Blobs
from core.separation.mixture import Measurements

if TYPE_CHECKING:
    from core.ports import StemBlock


class Part(Model):
    """A piece of every stem that is delivered; energies are sums of squares over all samples of the piece.

    ``residual_energy`` is ``None`` where the residual cannot be told.
    """

    start_frame: int
    frames: int
    peak: float
    mixture_energy: float
    residual_energy: float | None


class Plan(Model):
    """What the parts belong to; parts of another plan (another version of the engine, other weights) are of no use."""

    measurements: Measurements
    engine_version: str
    weights: str | None
    names: tuple[str, ...]


@dataclass(frozen=True)
class Parts:
    """The parts of one job, under its folder."""

    blobs: Blobs
    job_folder: str

    def plan(self) -> Plan | None:
        """The plan that the parts belong to, if there is one."""
        try:
            return Plan.model_validate_json(b"".join(self.blobs.read(AUDIO_FILES, self._plan_name)))
        except BlobNotFound:
            return None

    def start(self, plan: Plan) -> None:
        """Forget every part, and begin anew with ``plan``."""
        self.remove()
        self._write(self._plan_name, plan.model_dump_json().encode(), "application/json", {})

    def finished(self) -> list[Part]:
        """The parts from the start of the song on, without a gap."""
        parts: list[Part] = []
        position = 0
        for blob in self.blobs.list_all(AUDIO_FILES, f"{self._folder}piece-"):
            part = Part.model_validate_json(blob.metadata["part"])
            if part.start_frame == position:
                parts.append(part)
                position += part.frames
        return parts

    def write(self, part: Part, samples: StemBlock) -> None:
        """Store ``samples``, ``[K, C, T]``."""
        content = np.ascontiguousarray(samples, "<f4").tobytes()
        self._write(self._name(part), content, "application/octet-stream", {"part": part.model_dump_json()})

    def read(self, part: Part, plan: Plan) -> StemBlock:
        """The samples of a part, ``[K, C, T]``. Raises ``WorkLost`` if it is gone."""
        try:
            content = b"".join(self.blobs.read(AUDIO_FILES, self._name(part)))
        except BlobNotFound:
            raise WorkLost(f"the part at {part.start_frame} was removed by another attempt") from None
        return np.frombuffer(content, "<f4").reshape(len(plan.names), plan.measurements.channels, part.frames)

    def remove(self) -> None:
        """Delete the parts and their plan."""
        self.blobs.remove_all(AUDIO_FILES, self._folder)

    @property
    def _folder(self) -> str:
        return f"{self.job_folder}.parts/"

    @property
    def _plan_name(self) -> str:
        return f"{self._folder}plan.json"

    def _name(self, part: Part) -> str:
        return f"{self._folder}piece-{part.start_frame:012d}"

    def _write(self, name: str, content: bytes, content_type: str, metadata: dict[str, str]) -> None:
        self.blobs.write(
            AUDIO_FILES, name, lambda: iter((content,)), size_bytes=len(content), content_type=content_type,
            metadata=metadata,
        )  # fmt: skip
