"""The scale settings that this project recommends, in the file that the deployment may load."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Defaults:
    """``defaults.json``: of ``host.json`` the first two, of the container app's ``scale`` the others; seconds."""

    batch_size: int
    new_batch_threshold: int
    min_replicas: int
    max_replicas: int
    cooldown_period: float
    polling_interval: float

    @classmethod
    def load(cls, path: Path = HERE / "defaults.json") -> Defaults:
        """Read the file."""
        names = json.loads(path.read_text())
        return cls(
            names["batchSize"],
            names["newBatchThreshold"],
            names["minReplicas"],
            names["maxReplicas"],
            names["cooldownPeriod"],
            names["pollingInterval"],
        )

    @property
    def most_at_once(self) -> int:
        """Messages of one queue that a replica holds at the most: the host fetches a batch while few enough run."""
        return self.batch_size + self.new_batch_threshold
