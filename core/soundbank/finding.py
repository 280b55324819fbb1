"""Finds what the bank has already, for a request that wants its sound kept for a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from core.errors import SoundNotFound
from core.ports import Clock
from core.soundbank.sample import Sample
from core.soundbank.store import SoundStore

_HANDED_OUT = timedelta(seconds=30)
"""A sound that has less than this left is none to hand out: it could be gone before it is fetched."""


@dataclass(frozen=True)
class Finder:
    """Finds sounds for a request; ``kept_seconds`` is how long it wants them kept, ``None`` for ever."""

    store: SoundStore
    clock: Clock
    kept_seconds: int | None

    def find(self, fingerprint: str) -> Sample | None:
        """The sound that was made of the very same, kept as long as this request wants it; ``None`` without one."""
        sample = self.store.find(fingerprint)
        return self._kept(sample) if sample else None

    def get(self, sample_id: str) -> Sample | None:
        """The sound of this id, as ``find``."""
        try:
            return self._kept(self.store.get(sample_id))
        except SoundNotFound:
            return None

    def _kept(self, sample: Sample) -> Sample | None:
        now = self.clock()
        until = None if self.kept_seconds is None else now + timedelta(seconds=self.kept_seconds)
        if sample.kept_until(until):
            return sample
        if not sample.kept_until(now + _HANDED_OUT):
            return None
        try:
            return self.store.extend(sample.sample_id, until)
        except SoundNotFound:  # deleted since
            return None
