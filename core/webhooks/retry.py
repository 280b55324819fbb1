"""What follows a try to deliver: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.webhooks.events import PROGRESS
from core.webhooks.sender import Outcome

_GONE = 410
_JITTER = 0.1
_LONGEST_DELAY_SECONDS = 7 * 86400.0  # a queue message stays invisible for at most a week


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    DELIVERED = "delivered"  # the receiver answered 2xx
    RETRYING = "retrying"  # it did not; another try is queued
    FAILED = "failed"  # it never did, and no try is left
    DISABLED = "disabled"  # it answered 410 Gone: the job's callbacks are off
    SUPERSEDED = "superseded"  # the job went on before it could be told


@dataclass(frozen=True)
class Verdict:
    """The status after a try, and when the next one comes."""

    status: DeliveryStatus
    delay_seconds: float | None = None


def judge(outcome: Outcome, event: str, try_number: int, schedule: tuple[float, ...], chance: float) -> Verdict:
    """Decide what follows the ``try_number``-th try (1-based).

    ``schedule`` holds the seconds from each try to the next; ``chance`` in [0, 1) spreads them by up to 10 %, so that
    a receiver that comes back does not get everything at once. ``Retry-After`` can only lengthen the wait. Events of
    progress are not tried again: a newer one follows.
    """
    if outcome.delivered:
        return Verdict(DeliveryStatus.DELIVERED)
    if outcome.status_code == _GONE:
        return Verdict(DeliveryStatus.DISABLED)
    if event == PROGRESS or try_number > len(schedule):
        return Verdict(DeliveryStatus.FAILED)
    delay = schedule[try_number - 1] * (1 + _JITTER * chance)
    delay = max(delay, outcome.retry_after_seconds or 0)
    return Verdict(DeliveryStatus.RETRYING, min(delay, _LONGEST_DELAY_SECONDS))
