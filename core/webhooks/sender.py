"""One POST to a client's address, through the address guard."""

from __future__ import annotations

import email.utils
import ssl
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from core.errors import StemworksError
from core.webhooks.address_guard import Target, resolve

if TYPE_CHECKING:
    import httpcore

_NOTE_BYTES = 200
_HEADERS = {"content-type": "application/json", "user-agent": "stemworks-callback/1"}


@dataclass(frozen=True)
class Outcome:
    """How one try went: a status code, or what kept it from getting one."""

    status_code: int | None
    error: str | None = None
    retry_after_seconds: float | None = None
    duration_seconds: float = 0.0

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300


class Sender:
    """Posts signed bodies; redirects are not followed, and the whole exchange has one time-out."""

    def __init__(self, *, timeout_seconds: float, allow_private: bool) -> None:
        self._timeout_seconds = timeout_seconds
        self._allow_private = allow_private

    def post(self, url: str, body: str, headers: dict[str, str]) -> Outcome:
        """Post ``body``; whatever goes wrong is an outcome, not an exception."""
        import httpcore  # costs import time that the http role spends only when it delivers

        started = time.monotonic()
        try:
            target = resolve(url, allow_private=self._allow_private)
            outcome = self._exchange(target, body.encode(), headers)
        except httpcore.TimeoutException:
            outcome = Outcome(None, f"no answer within {self._timeout_seconds:g} s")
        except (httpcore.NetworkError, httpcore.ProtocolError, StemworksError) as error:
            outcome = Outcome(None, str(error) or type(error).__name__)
        return replace(outcome, duration_seconds=time.monotonic() - started)

    def _exchange(self, target: Target, body: bytes, headers: dict[str, str]) -> Outcome:
        import httpcore

        from core.webhooks.pinned_network import PinnedNetwork

        network = PinnedNetwork(target.address, self._timeout_seconds)
        tls = _tls() if target.url.lower().startswith("https") else None
        with (
            httpcore.ConnectionPool(ssl_context=tls, network_backend=network) as pool,
            pool.stream("POST", target.url, headers=list((_HEADERS | headers).items()), content=body) as response,
        ):
            note = None if 200 <= response.status < 300 else _note(response)
            fields = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            return Outcome(response.status, note, _retry_after(fields.get(b"retry-after", "")))


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _note(response: httpcore.Response) -> str:
    """The beginning of the answer's body, for whoever reads the log."""
    return next(iter(response.iter_stream()), b"")[:_NOTE_BYTES].decode("utf-8", "replace")


def _retry_after(value: str) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
