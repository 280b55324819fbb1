"""Who makes what: of two jobs that ask for the very same sound, one makes it.

The row ``made:<fingerprint>`` is a job's claim until the sound is stored, and from then on says which one it is. Every
write after the first is conditional on the version that was read, so of several jobs that want it one gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import RowChanged, RowExists, RowNotFound
from core.jobs.model import Model
from core.ports import Insert, Replace, Table
from core.soundbank.rows import PARTITION, made_key


class _Made(Model):
    job_id: str
    sample_id: str | None = None


@dataclass(frozen=True)
class Claim:
    """What the bank knows of a fingerprint.

    Attributes:
        job_id: the job that makes the sound, or made it.
        etag: the version that this was read at.
        sample_id: the sound, ``None`` as long as it is not stored.
    """

    fingerprint: str
    job_id: str
    etag: str
    sample_id: str | None = None

    def completed(self, sample_id: str) -> Replace:
        """The change that says which sound came of it, if the claim is still as it was read."""
        return Replace(made_key(self.fingerprint), _document(self.job_id, sample_id), self.etag)


def made(fingerprint: str, job_id: str, sample_id: str) -> Insert:
    """The change that says which sound there is, where nobody has claimed it."""
    return Insert(made_key(fingerprint), _document(job_id, sample_id))


class Claims:
    """The claims of all jobs, in the table of the sounds."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, fingerprint: str) -> Claim | None:
        """What is known of it, ``None`` if nothing is."""
        try:
            row = self._table.get(PARTITION, made_key(fingerprint))
        except RowNotFound:
            return None
        known = _Made.model_validate_json(row.document)
        return Claim(fingerprint, known.job_id, row.etag, known.sample_id)

    def claim_new(self, fingerprints: Sequence[str], job_id: str) -> list[Claim]:
        """Claim what nobody knows of, at most 100, in one transaction.

        Raises ``RowExists`` if somebody knows of one; none is claimed then.
        """
        changes = [Insert(made_key(fingerprint), _document(job_id)) for fingerprint in fingerprints]
        etags = self._table.commit(PARTITION, *changes)
        return [Claim(fingerprint, job_id, etag) for fingerprint, etag in zip(fingerprints, etags, strict=True)]

    def claim(self, fingerprint: str, job_id: str) -> Claim:
        """Claim it for a job, or learn who was first: the job that the claim names, now or from an earlier attempt."""
        while True:
            with suppress(RowExists):
                return self.claim_new([fingerprint], job_id)[0]
            if known := self.read(fingerprint):
                return known

    def take_over(self, claim: Claim, job_id: str) -> Claim:
        """Give a claim to a job. Raises ``RowChanged`` if somebody else was faster: claim it anew then."""
        change = Replace(made_key(claim.fingerprint), _document(job_id), claim.etag)
        try:
            (etag,) = self._table.commit(PARTITION, change)
        except RowNotFound:
            raise RowChanged("the sound was removed") from None
        return Claim(claim.fingerprint, job_id, etag)


def _document(job_id: str, sample_id: str | None = None) -> str:
    return _Made(job_id=job_id, sample_id=sample_id).model_dump_json()
