"""How many replicas the rule wants, by what it saw: Kubernetes' autoscaler as KEDA and Container Apps set it up."""

from __future__ import annotations

from collections import deque
from math import ceil

from infra.capacity.settings import Scale

STABILISATION_SECONDS = 300.0
"""For so long, the most that was wanted counts when replicas are to go; the last one waits for the cooldown instead."""

_FIRST_STEP = 4


def most_from(replicas: int) -> int:
    """How many there may be after one step up: from none one, then four, then twice as many each time."""
    return 1 if replicas == 0 else max(_FIRST_STEP, 2 * replicas)


class Scaler:
    """Looks at the queue at every poll, and remembers what it wanted."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        self._wanted: deque[tuple[float, int]] = deque()
        self._active_at: float | None = None

    def replicas(self, now: float, messages: int, replicas: int) -> int:
        """How many there shall be, where there are ``replicas`` now and the rule counts so many ``messages``."""
        scale = self._scale
        if messages:
            self._active_at = now
        wanted = min(ceil(messages / scale.batch_size), scale.max_replicas)
        self._remember(now, wanted)
        if scale.min_replicas == 0 and self._cooled_down(now):
            return 0
        least = max(scale.min_replicas, 1 if replicas else 0)
        wanted = max(wanted, least)
        if wanted >= replicas:
            return min(wanted, max(most_from(replicas), scale.min_replicas))
        return min(replicas, max(least, *(earlier for _, earlier in self._wanted)))

    def _remember(self, now: float, wanted: int) -> None:
        self._wanted.append((now, wanted))
        while self._wanted[0][0] <= now - STABILISATION_SECONDS:
            self._wanted.popleft()

    def _cooled_down(self, now: float) -> bool:
        return self._active_at is None or now - self._active_at >= self._scale.cooldown_seconds
