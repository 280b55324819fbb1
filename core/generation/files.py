"""A job's stems in storage. A stem's name says where it is, so a second attempt finds what the first one finished."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.audio.levels import rounded
from core.generation.receipt import FinishedStem, Maker
from core.jobs.model import AUDIO_FILES, Job, Output
from core.ports import Blobs

if TYPE_CHECKING:
    from core.generation.track import Levelled, StemTrack

_METADATA_KEY = "stem"


@dataclass(frozen=True)
class StemFiles:
    """The finished stems of one job."""

    blobs: Blobs
    job: Job

    def find(self, stem_type: str) -> FinishedStem | None:
        """The stem, if it is finished."""
        found = self.blobs.properties(AUDIO_FILES, self.job.folder + _file_name(stem_type))
        if found is None or _METADATA_KEY not in found.metadata:
            return None
        return FinishedStem.model_validate_json(found.metadata[_METADATA_KEY])

    def store(self, track: StemTrack, levelled: Levelled, maker: Maker) -> FinishedStem:
        """Write a stem, over whatever is there."""
        output = self._output(track, levelled)
        stem = FinishedStem(output=output, gain_db=levelled.gain_db, maker=maker)
        self.blobs.write(
            AUDIO_FILES,
            self.job.folder + output.name,
            track.pieces,
            size_bytes=levelled.size_bytes,
            content_type="audio/wav",
            metadata={_METADATA_KEY: stem.model_dump_json()},
        )
        return stem

    def _output(self, track: StemTrack, levelled: Levelled) -> Output:
        name = _file_name(track.stem_type)
        return Output(
            name=name,
            stem_type=track.stem_type,
            blob_url=self.blobs.url(AUDIO_FILES, self.job.folder + name),
            file_size_bytes=levelled.size_bytes,
            format="wav",
            sample_rate=track.delivery.sample_rate,
            channels=track.delivery.channels,
            duration_seconds=round(track.frames / track.delivery.sample_rate, 6),
            sha256=levelled.sha256,
            loudness_lufs=rounded(levelled.loudness.integrated_lufs),
            true_peak_dbtp=rounded(levelled.loudness.true_peak_dbtp),
        )


def _file_name(stem_type: str) -> str:
    return f"{stem_type}.wav"
