"""What is analysed: one file, or the stems of one job, which are heard together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.files.source import Source
from core.files.upload import UploadedAudio
from core.jobs.model import Model

if TYPE_CHECKING:
    from core.audio.stream import AudioInfo

PERCUSSION = ("drums",)
"""Stems that have no part in the harmony."""
MIX = "mix"
"""A job's stems once more, with what they go with: none of its stems."""


class Material(Model):
    """A file, and what is known of it before it is decoded.

    Attributes:
        stem_type: what is in it, if a job says so.
    """

    source: Source
    audio: UploadedAudio
    stem_type: str | None = None

    @classmethod
    def of(cls, source: Source, audio: AudioInfo, stem_type: str | None = None) -> Material:
        """A file that was looked at."""
        return cls(source=source, audio=UploadedAudio.model_validate(audio), stem_type=stem_type)

    @property
    def is_harmonic(self) -> bool:
        """Whether chords and keys are to be heard in it."""
        return self.stem_type not in PERCUSSION
