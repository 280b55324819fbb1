"""What the emulator tells the app: CloudEvents over HTTP, once the app has said that they are welcome."""

import hashlib
import hmac
import itertools
import logging
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local.web_pubsub_clients import Client
from local.web_pubsub_protocol import CONTENT_TYPES, Payload
from local.web_pubsub_tokens import EmulatorAddress

if TYPE_CHECKING:  # most hosts never have a client, and start faster without it
    import httpx

HANDLER_SECONDS = 30.0
logger = logging.getLogger("local.web_pubsub")


class EventRefused(Exception):
    """The app did not take an event."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the event handler answered {status}")
        self.status = status


class EventHandler:
    """The app's event handler at `url`; where there is none, events go nowhere."""

    def __init__(self, url: str, address: EmulatorAddress) -> None:
        self._url = url
        self._address = address
        self._origin = urlsplit(address.endpoint).hostname or ""
        self._ids = itertools.count(1)
        self._is_welcome = False

    async def is_there(self) -> bool:
        """Whether the app takes events, asked until it once said so."""
        if not self._is_welcome:
            headers = {"WebHook-Request-Origin": self._origin}
            answer = await self._request("OPTIONS", headers, b"")
            allowed = answer.headers.get("WebHook-Allowed-Origin", "")
            self._is_welcome = answer.is_success and bool({"*", self._origin} & set(allowed.split(",")))
        return self._is_welcome

    async def system(self, client: Client, name: str, body: dict[str, Any]) -> Payload | None:
        """Tell of `connect`, `connected` or `disconnected`; raises EventRefused."""
        return await self._tell(client, f"azure.webpubsub.sys.{name}", name, Payload("json", body))

    async def user(self, client: Client, name: str, payload: Payload) -> Payload | None:
        """Hand on what a client sent; what the app answers is for that client. Raises EventRefused."""
        return await self._tell(client, f"azure.webpubsub.user.{name}", name, payload)

    async def _tell(self, client: Client, kind: str, name: str, payload: Payload) -> Payload | None:
        answer = await self._request("POST", self._headers(client, kind, name, payload), payload.body())
        if not answer.is_success:
            logger.warning("%s of %s: the event handler answered %s", name, client.id, answer.status_code)
            raise EventRefused(answer.status_code)
        if not answer.content:
            return None
        return Payload.of_body(answer.headers.get("content-type", ""), answer.content)

    def _headers(self, client: Client, kind: str, name: str, payload: Payload) -> dict[str, str]:
        signature = hmac.new(self._address.access_key.encode(), client.id.encode(), hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": CONTENT_TYPES[payload.data_type],
            "WebHook-Request-Origin": self._origin,
            "ce-specversion": "1.0",
            "ce-type": kind,
            "ce-source": f"/hubs/{client.hub}/client/{client.id}",
            "ce-id": str(next(self._ids)),
            "ce-time": datetime.now(UTC).isoformat(),
            "ce-signature": f"sha256={signature}",
            "ce-connectionId": client.id,
            "ce-hub": client.hub,
            "ce-eventName": name,
        }
        optional = {"ce-userId": client.user_id, "ce-subprotocol": client.subprotocol}
        return headers | {key: value for key, value in optional.items() if value}

    async def _request(self, method: str, headers: dict[str, str], body: bytes) -> "httpx.Response":
        import httpx

        try:
            return await self._client.request(method, self._url, headers=headers, content=body)
        except httpx.HTTPError as error:
            logger.warning("the event handler at %s does not answer: %r", self._url, error)
            return httpx.Response(502)

    @cached_property
    def _client(self) -> "httpx.AsyncClient":
        import httpx

        return httpx.AsyncClient(timeout=HANDLER_SECONDS, trust_env=False)
