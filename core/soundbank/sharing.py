"""Shares a job's notes out: those that the bank has, those that are the job's to make, those that others are making."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from core.errors import JobNotFound, RowChanged, RowExists
from core.jobs.store import JobStore
from core.soundbank.claims import Claim, Claims
from core.soundbank.finding import Finder
from core.soundbank.sample import Sample

_LOOKS_AT_ONCE = 8
_CLAIMED_TOGETHER = 100  # what one transaction holds


@dataclass
class Shares:
    """Notes by their places in a job: sounds that there are, claims of this job and claims of others."""

    found: dict[int, Sample] = field(default_factory=dict)
    mine: dict[int, Claim] = field(default_factory=dict)
    held: dict[int, Claim] = field(default_factory=dict)


@dataclass(frozen=True)
class Sharing:
    """Shares out for one job. ``check`` is asked now and then, and may raise to stop."""

    claims: Claims
    finder: Finder
    jobs: JobStore
    job_id: str
    check: Callable[[], None]

    def share_out(self, fingerprints: Mapping[int, str]) -> Shares:
        """Where each of the notes stands, by the fingerprints of what is asked."""
        shares, places = Shares(), list(fingerprints)
        for start in range(0, len(places), _CLAIMED_TOGETHER):
            self.check()
            some = places[start : start + _CLAIMED_TOGETHER]
            for place, known in zip(some, self._known([fingerprints[place] for place in some]), strict=True):
                if isinstance(known, Sample):
                    shares.found[place] = known
                else:
                    (shares.mine if known.job_id == self.job_id else shares.held)[place] = known
        return shares

    def found_or_claimed(self, fingerprint: str) -> Sample | Claim:
        """The sound, or the claim to it: this job's, if nobody who is alive has it."""
        while True:
            claim = self.claims.read(fingerprint) or self.claims.claim(fingerprint, self.job_id)
            if claim.sample_id is not None:
                if found := self.finder.get(claim.sample_id):
                    return found
            elif claim.job_id == self.job_id or self._is_alive(claim.job_id):
                return claim
            with suppress(RowChanged):  # what is there is of a job that has ended, or about to go
                return self.claims.take_over(claim, self.job_id)

    def _known(self, fingerprints: list[str]) -> Iterable[Sample | Claim]:
        with suppress(RowExists):  # a new batch claims all of its notes at once
            return self.claims.claim_new(fingerprints, self.job_id)
        with ThreadPoolExecutor(min(_LOOKS_AT_ONCE, len(fingerprints))) as pool:
            return list(pool.map(self.found_or_claimed, fingerprints))

    def _is_alive(self, job_id: str) -> bool:
        try:
            return not self.jobs.get(job_id).status.ended
        except JobNotFound:
            return False
