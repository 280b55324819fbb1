"""What can be heard of a stem while it is being made: parts of two seconds, each a WAV file of 16 bits of its own.

They have the level that the engine gave them, limited to full scale: a file's own gain is known only at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from core.audio.wav import encode_wav
from core.errors import StorageError
from core.jobs.model import AUDIO_FILES, Job, Preview
from core.jobs.progress import Progress
from core.ports import Blobs

if TYPE_CHECKING:
    from core.generation.track import Delivery
    from core.ports import Block

PART_SECONDS = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreviewFiles:
    """Stores the parts of one job's stems, and announces them; ``submit`` has a call run, one after the other.

    A stem whose part storage refuses gets no further ones: its file is worth more than its preview.
    """

    blobs: Blobs
    job: Job
    progress: Progress
    submit: Callable[[Callable[[], None]], None]
    given_up: set[str] = field(default_factory=set)

    def store(self, preview: Preview, block: Block, delivery: Delivery) -> None:
        """Write the last part of ``preview``, ``[C, T]``."""
        self.submit(partial(self._store, preview, block, delivery))

    def _store(self, preview: Preview, block: Block, delivery: Delivery) -> None:
        if preview.stem_type in self.given_up:
            return
        content = b"".join(encode_wav([block], block.shape[1], delivery.sample_rate, delivery.channels))
        name = preview.file_name(preview.parts - 1)
        try:
            self.blobs.write(
                AUDIO_FILES, self.job.folder + name, lambda: iter((content,)), size_bytes=len(content),
                content_type="audio/wav", metadata={},
            )  # fmt: skip
        except StorageError as error:
            log.warning("job %s: %s could not be stored: %s", self.job.job_id, name, error)
            self.given_up.add(preview.stem_type)
        else:
            self.progress.previewed(preview)


class PreviewTrack:
    """Cuts one stem into parts."""

    def __init__(self, files: PreviewFiles, stem_type: str, delivery: Delivery) -> None:
        self._files = files
        self._delivery = delivery
        self._part_frames = round(PART_SECONDS * delivery.sample_rate)
        self._preview = Preview(stem_type=stem_type, part_seconds=PART_SECONDS, parts=0, ready_seconds=0.0)
        self._rest = np.zeros((delivery.channels, 0), np.float32)
        self._frames = 0

    def add(self, block: Block) -> None:
        """Go on with a block ``[C, T]`` of the file."""
        samples = np.concatenate((self._rest, block), axis=1)
        whole = samples.shape[1] // self._part_frames * self._part_frames
        for start in range(0, whole, self._part_frames):
            self._store(samples[:, start : start + self._part_frames])
        self._rest = samples[:, whole:]

    def finish(self) -> None:
        """Store what is left, if there is any: the last part may be shorter."""
        if self._rest.shape[1]:
            self._store(self._rest)

    def _store(self, part: Block) -> None:
        self._frames += part.shape[1]
        ready_seconds = round(self._frames / self._delivery.sample_rate, 6)
        self._preview = self._preview.evolve(parts=self._preview.parts + 1, ready_seconds=ready_seconds)
        self._files.store(self._preview, part, self._delivery)
