"""Whether a failed attempt is worth another: a pure decision."""

from __future__ import annotations

from enum import Enum

from core.errors import DeadlineExceeded, StemworksError
from core.jobs.model import JobError


class Decision(Enum):
    """What becomes of a job whose attempt failed."""

    RETRY = "retry"
    GIVE_UP = "give up"


def decide(error: Exception, attempt: int, attempts_allowed: int) -> Decision:
    """Retry what another attempt may mend (storage, a broken engine, anything unforeseen), while attempts are left."""
    hopeless = isinstance(error, DeadlineExceeded) or (isinstance(error, StemworksError) and not error.retryable)
    return Decision.GIVE_UP if hopeless or attempt >= attempts_allowed else Decision.RETRY


def delay_seconds(attempt: int) -> float:
    """How long to wait before the next attempt: 2, 4, 8 … seconds, at most a minute."""
    return float(min(2**attempt, 60))


def patience_seconds(attempt: int) -> float:
    """How long to wait for another job's work: 1, 2, 3 … seconds, at most half a minute."""
    return float(min(attempt, 30))


def describe(error: Exception) -> JobError:
    """The client's view of any error; what was not foreseen shows its kind, not its inside."""
    if isinstance(error, StemworksError):
        return JobError.of(error)
    return JobError.of(StemworksError(f"the worker failed unexpectedly ({type(error).__name__})"))
