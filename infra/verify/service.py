"""What an installation answers to plain requests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx

from core import __version__
from infra.verify.finding import Finding, judged, missing, ok, unseen

_TIMEOUT_SECONDS = 60.0
"""A Flex Consumption app that has scaled to zero starts with the first request."""

_RENEWAL = timedelta(days=14)
"""A certificate that runs out sooner should have been renewed by now."""

_STRANGER = "https://stranger.example"


class Service:
    """An installation at a base URL.

    Args:
        origin: a web page that must be let in by CORS, such as ``https://app.example.org``; ``None`` if there is none.
        transport: what carries the requests; the network if ``None``.

    Attributes:
        http: asks it, with the key if there is one.
        reached: whether it answered at all, once ``findings`` are through.
    """

    def __init__(
        self, base_url: str, api_key: str | None, origin: str | None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.reached = False
        self._url = base_url
        self._key = api_key
        self._origin = origin
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.http = httpx.Client(base_url=base_url, timeout=_TIMEOUT_SECONDS, headers=headers, transport=transport)

    def findings(self) -> Iterator[Finding]:
        """One after the other; nothing but the first if it cannot be reached."""
        try:
            with self.http.stream("GET", "/healthz") as answer:
                self.reached = True
                yield ok("reachable", f"{self._url} answered {answer.status_code}")
                yield _encryption(self._url, answer)
            yield from self._answers()
        except httpx.TransportError as error:
            yield missing("stays reachable" if self.reached else "reachable", f"{self._url}: {_cause(error)}")

    def _answers(self) -> Iterator[Finding]:
        health = self.http.get("/healthz")
        yield judged(_json(health).get("status") == "ok", "lives", "/healthz", _seen("/healthz", health))
        ready = self.http.get("/readyz")
        yield judged(_json(ready).get("status") == "ready", "storage answers", "/readyz", _seen("/readyz", ready))
        yield self._version()
        yield self._keys()
        yield self._engines()
        yield self._cors()

    def _version(self) -> Finding:
        answer = self.http.get("/openapi.json")
        version = _json(answer).get("info", {}).get("version")
        if version is None:
            return missing("version", _seen("/openapi.json", answer))
        return judged(
            version == __version__, "version", version, f"{version} runs there, {__version__} is here: deploy"
        )

    def _keys(self) -> Finding:
        answer = self.http.send(self._without_key("/v1/engines"))
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            return ok("API keys", "asked for")
        if answer.is_success and is_loopback(self._url):
            return ok("API keys", "not asked for, on this machine alone")
        return missing("API keys", f"GET /v1/engines without a key answered {answer.status_code}: set API_KEYS")

    def _without_key(self, path: str) -> httpx.Request:
        request = self.http.build_request("GET", path)
        request.headers.pop("Authorization", None)
        return request

    def _engines(self) -> Finding:
        answer = self.http.get("/v1/engines")
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self._key:
            return unseen("engines", "a key is needed: STEMWORKS_API_KEY, or --api-key")
        names = [engine["name"] for engine in _json(answer).get("engines", [])]
        return judged(bool(names), "engines", ", ".join(names), _seen("/v1/engines", answer))

    def _cors(self) -> Finding:
        allowed = self._allowed_origin(self._origin or _STRANGER)
        if self._origin:
            said = f"{self._origin} is not let in: add it to CORS_ORIGINS"
            return judged(allowed in ("*", self._origin), "CORS", f"{self._origin} is let in", said)
        if allowed:
            return ok("CORS", "any page is let in; CORS_ORIGINS can name yours alone")
        return ok("CORS", "pages that CORS_ORIGINS does not name are kept out; --origin checks that yours is in")

    def _allowed_origin(self, origin: str) -> str | None:
        """What a browser is told before a page there may send a request with a key."""
        headers = {
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        answer = self.http.options("/v1/generations", headers=headers)
        return answer.headers.get("access-control-allow-origin") if answer.is_success else None


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _encryption(url: str, answer: httpx.Response) -> Finding:
    """The connection's TLS: httpx has checked the certificate, or there were no answer."""
    if urlsplit(url).scheme != "https":
        if is_loopback(url):
            return unseen("TLS", "plain http, on this machine alone")
        return missing("TLS", "plain http: keys and music travel in the open")
    stream = answer.extensions.get("network_stream")
    connection = stream.get_extra_info("ssl_object") if stream else None
    if connection is None:
        return unseen("TLS", "the connection does not show its certificate")
    ends = parsedate_to_datetime(connection.getpeercert()["notAfter"])
    return certificate(connection.version(), ends, datetime.now(UTC))


def certificate(version: str, ends: datetime, now: datetime) -> Finding:
    """Whether a certificate that was accepted will be for a while."""
    seen = f"{version}, the certificate runs out on {ends:%Y-%m-%d}"
    return judged(ends - now > _RENEWAL, "TLS", seen, f"{seen}: renew it")


def _cause(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__


def _json(answer: httpx.Response) -> dict[str, Any]:
    """The body, if it is a JSON object."""
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seen(path: str, answer: httpx.Response) -> str:
    """What came instead, in one line."""
    detail = _json(answer).get("detail") or " ".join(answer.text.split())[:200] or "an empty body"
    return f"GET {path} answered {answer.status_code}: {detail}"
