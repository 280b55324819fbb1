"""An assistant that speaks OpenAI's chat completions API, over HTTP."""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult

from pydantic import BaseModel, ValidationError

from core.assistant.calls import Calls, timed_out
from core.assistant.schema import JsonSchema
from core.assistant.service import Message, NoAnswer
from core.webhooks.address_guard import is_public

if TYPE_CHECKING:
    import httpcore

Credentials = Callable[[], Mapping[str, str]]
"""The headers that say who asks; may take a while, and may raise ``NoAnswer``."""

_MOST_CALLS = 8  # of the HTTP host's forty threads: a slow assistant must not hold them all
_MOST_BYTES = 256 * 1024
_REFUSED_FORMAT = (400, 422)
_HEADERS = {
    "content-type": "application/json",
    "accept": "application/json",
    "accept-encoding": "identity",  # nothing is unpacked here, so a small answer cannot become a large one
    "user-agent": "stemworks-assistant/1",
}


class _ChatMessage(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _ChatMessage


class _Completion(BaseModel):
    choices: list[_Choice]


class ChatClient:
    """Asks for one completion at a time; everything about it together takes at most ``timeout_seconds``.

    ``url`` is the completions' own. Redirects are not followed, and at most 256 KiB of an answer are read. Credentials
    go over plain http only where the address is none on the internet.
    """

    def __init__(self, url: SplitResult, model: str, timeout_seconds: float, credentials: Credentials) -> None:
        self._url = url
        self._model = model
        self._timeout_seconds = timeout_seconds
        self._credentials = credentials
        self._calls = Calls(_MOST_CALLS)

    @property
    def model(self) -> str:
        """Which of its models is asked; empty if that is left to the service."""
        return self._model

    def complete(self, messages: Sequence[Message], schema: JsonSchema) -> str:
        """The text of the first choice. Raises ``NoAnswer``."""
        deadline = time.monotonic() + self._timeout_seconds
        return self._calls.run(lambda: self._completed(messages, schema, deadline), self._timeout_seconds)

    def _completed(self, messages: Sequence[Message], schema: JsonSchema, deadline: float) -> str:
        """With the schema as the answer's format, and once more without for a service that does not take it."""
        headers = self._credentials()
        plain = {"messages": list(messages)} | ({"model": self._model} if self._model else {})
        answer_format = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
        status, content = self._post(plain | {"response_format": answer_format}, headers, deadline)
        if status in _REFUSED_FORMAT:
            status, content = self._post(plain, headers, deadline)
        if status != 200:
            raise NoAnswer(f"answered {status}")
        try:
            return _Completion.model_validate_json(content).choices[0].message.content
        except (ValidationError, IndexError):
            raise NoAnswer("answered with something that is no chat completion") from None

    def _post(self, body: Mapping[str, Any], headers: Mapping[str, str], deadline: float) -> tuple[int, bytes]:
        """The status and, of a 200, the body, from the first of the host's addresses that takes the connection."""
        import httpcore  # costs import time that a process spends only when it asks

        content = json.dumps(body, ensure_ascii=False).encode()
        refused = ""
        for address in self._addresses(bool(headers)):
            try:
                return self._exchange(address, content, headers, deadline)
            except httpcore.TimeoutException:
                raise NoAnswer(timed_out(self._timeout_seconds)) from None
            except httpcore.ConnectError as error:
                refused = str(error)
            except httpcore.NetworkError:
                raise NoAnswer("broke the connection off") from None
            except httpcore.ProtocolError:
                raise NoAnswer("does not answer in HTTP") from None
        raise NoAnswer("cannot be reached", refused, sent=False)

    def _exchange(self, address: str, content: bytes, headers: Mapping[str, str], deadline: float) -> tuple[int, bytes]:
        import httpcore

        from core.webhooks.pinned_network import PinnedNetwork

        network = PinnedNetwork(address, deadline - time.monotonic())
        tls = _tls() if self._url.scheme == "https" else None
        fields = list((_HEADERS | dict(headers)).items())
        with (
            httpcore.ConnectionPool(ssl_context=tls, network_backend=network) as pool,
            pool.stream("POST", self._url.geturl(), headers=fields, content=content) as response,
        ):
            return response.status, _body(response) if response.status == 200 else b""

    def _addresses(self, has_credentials: bool) -> list[str]:
        host, port = self._url.hostname or "", self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NoAnswer("cannot be reached", f"{host}: {error}", sent=False) from None
        addresses = [str(entry[4][0]).partition("%")[0] for entry in found]
        if self._url.scheme == "http" and has_credentials and any(map(_is_public, addresses)):
            raise NoAnswer("is not asked: its key does not go over plain http to a public address", sent=False)
        return addresses


def _is_public(address: str) -> bool:
    return is_public(ipaddress.ip_address(address))


def _body(response: httpcore.Response) -> bytes:
    received = bytearray()
    for chunk in response.iter_stream():
        received += chunk
        if len(received) > _MOST_BYTES:
            raise NoAnswer(f"answered with more than {_MOST_BYTES // 1024} KiB")
    return bytes(received)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
