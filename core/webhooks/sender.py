"""One POST to a client's address, through the address guard."""

from __future__ import annotations

import asyncio
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
    import httpx

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
        import httpx  # costs import time that the http role spends only when it delivers

        started = time.monotonic()
        try:
            target = resolve(url, allow_private=self._allow_private)
            outcome = asyncio.run(self._exchange(target, body.encode(), headers))
        except TimeoutError:
            outcome = Outcome(None, f"no answer within {self._timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, StemworksError) as error:
            outcome = Outcome(None, str(error) or type(error).__name__)
        return replace(outcome, duration_seconds=time.monotonic() - started)

    async def _exchange(self, target: Target, body: bytes, headers: dict[str, str]) -> Outcome:
        import httpx

        # asyncio's time-out bounds the whole; httpx's own start anew with every byte that a slow receiver sends
        async with (
            asyncio.timeout(self._timeout_seconds),
            httpx.AsyncClient(verify=_tls(), trust_env=False, timeout=None) as client,  # noqa: S113 - bounded above
            client.stream(
                "POST",
                httpx.URL(target.url).copy_with(host=target.address),
                content=body,
                headers={"host": _host_header(target), **_HEADERS, **headers},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            note = None if response.is_success else await _note(response)
            return Outcome(response.status_code, note, _retry_after(response.headers.get("retry-after", "")))


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _host_header(target: Target) -> str:
    """The URL's own host, although the connection goes to the address that was checked."""
    host = f"[{target.host}]" if ":" in target.host else target.host
    default_port = 443 if target.url.lower().startswith("https") else 80
    return host if target.port == default_port else f"{host}:{target.port}"


async def _note(response: httpx.Response) -> str:
    """The beginning of the answer's body, for whoever reads the log."""
    async for chunk in response.aiter_raw(_NOTE_BYTES):
        return chunk.decode("utf-8", "replace")
    return ""


def _retry_after(value: str) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    if value.strip().isdigit():
        return float(value)
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
