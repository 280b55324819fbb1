"""``Channel`` in the process's own memory: for tests and trying things out. Safe between threads."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit


class MemoryChannel:
    """Remembers what was sent to whom, for the clients that are connected."""

    def __init__(self, hub: str = "stemworks") -> None:
        self.hub = hub
        self._lock = threading.Lock()
        self._groups: dict[str, frozenset[str]] = {}
        self._received: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)

    def send_to_connection(self, connection_id: str, message: dict[str, Any]) -> None:
        with self._lock:
            if connection_id in self._groups:
                self._received[connection_id].append(_as_sent(message))

    def send_to_group(self, group: str, message: dict[str, Any]) -> None:
        with self._lock:
            for connection_id, groups in self._groups.items():
                if group in groups:
                    self._received[connection_id].append(_as_sent(message))

    def client_url(self, groups: Sequence[str], *, user_id: str, minutes: int) -> str:
        query = urlencode({"user": user_id, "minutes": minutes, "group": groups}, doseq=True)
        return f"memory://{self.hub}?{query}"

    def connect(self, url: str) -> str:
        """Let a client be there that was given this address; returns its connection's id."""
        groups = parse_qs(urlsplit(url).query).get("group", [])
        with self._lock:
            connection_id = f"connection-{len(self._groups)}"
            self._groups[connection_id] = frozenset(groups)
        return connection_id

    def received(self, connection_id: str) -> list[dict[str, Any]]:
        """What the client got so far."""
        with self._lock:
            return list(self._received[connection_id])


def _as_sent(message: dict[str, Any]) -> dict[str, Any]:
    """A message that is no JSON fails here as it does on the wire."""
    sent: dict[str, Any] = json.loads(json.dumps(message, allow_nan=False))
    return sent
