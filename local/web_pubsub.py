"""An emulator of Azure Web PubSub, so that the official clients and SDK work against the local host.

Clients connect to `/client/hubs/{hub}` with a token; what they send as events goes to the app's own event handler;
the app answers, and reaches groups, by the service's REST API. Two subprotocols are spoken, plain and reliable JSON,
and bare messages; not spoken are MQTT, Socket.IO and protobuf. Nothing outlives the process.
"""

import asyncio
import re
from typing import Any

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from local.web_pubsub_clients import RECOVERY_SECONDS, Client, Clients
from local.web_pubsub_events import EventHandler, EventRefused
from local.web_pubsub_protocol import PROTOCOLS, Payload, ProtocolViolation, ack, group_name, parse_frame
from local.web_pubsub_rest import rest_routes
from local.web_pubsub_tokens import EmulatorAddress, TokenRefused, bearer

EVENTS_PATH = "/v1/live/events"
PREFIXES = ("/client/hubs/", "/api/hubs/")
NORMAL, VIOLATION, FAILED = 1000, 1008, 1011
LOST = frozenset({1005, 1006})
"""The codes of a socket that broke, as against one that was closed."""

ANSWER_SECONDS = 0.01
"""How long the emulator takes at least: the Python client sleeps through what comes before it has begun to wait."""

EVENT_NAME = re.compile(r"[\w.\-]{1,128}", re.ASCII)


class WebPubSub:
    """The emulator of one host; `recovery_seconds` is how long a reliable client may be away."""

    def __init__(
        self, address: EmulatorAddress, events_path: str = EVENTS_PATH, recovery_seconds: float = RECOVERY_SECONDS
    ) -> None:
        self._address = address
        self._handler = EventHandler(address.endpoint + events_path, address)
        self._recovery_seconds = recovery_seconds
        self._clients = Clients()
        self._absences: dict[str, asyncio.Task[None]] = {}
        self._app = Starlette(
            routes=[WebSocketRoute("/client/hubs/{hub}", self.connect), *rest_routes(address, self._clients)]
        )

    @staticmethod
    def serves(path: str) -> bool:
        return path.startswith(PREFIXES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    async def connect(self, socket: WebSocket) -> None:
        """A client's whole stay, or the part of it until its socket breaks."""
        await asyncio.sleep(ANSWER_SECONDS)
        comes_back = "awps_connection_id" in socket.query_params
        client = await (self._returning(socket) if comes_back else self._arriving(socket))
        if client is not None:
            await self._stay(client, socket)

    async def _returning(self, socket: WebSocket) -> Client | None:
        """Go on with a reliable client's connection, if it shows the token that it was given for that."""
        query, offered = socket.query_params, socket.scope["subprotocols"]
        await socket.accept(subprotocol=next(iter(offered), None))
        client = self._clients.get(socket.path_params["hub"], query["awps_connection_id"])
        if client is None or query.get("awps_reconnection_token") != client.reconnection_token:
            await socket.close(VIOLATION, "the connection cannot be recovered")
            return None
        if (absence := self._absences.pop(client.id, None)) is not None:
            absence.cancel()
        await client.attach(socket)
        return client

    async def _arriving(self, socket: WebSocket) -> Client | None:
        """Check the token, ask the event handler, and open the socket; refuses by an HTTP status."""
        hub = socket.path_params["hub"]
        token = socket.query_params.get("access_token") or bearer(socket.headers.get("authorization", ""))
        try:
            claims = self._address.claims(token, f"{self._address.endpoint}/client/hubs/{hub}")
            client = new_client(hub, claims, socket.scope["subprotocols"])
            if await self._handler.is_there():
                await self._greet(client, claims, socket)
        except TokenRefused as refused:
            await socket.send_denial_response(Response(str(refused), 401))
            return None
        except EventRefused as refused:
            await socket.send_denial_response(Response(str(refused), refused.status))
            return None
        await socket.accept(subprotocol=client.subprotocol)
        await client.attach(socket)
        self._clients.add(client)
        await self._tell(client, "connected", {})
        return client

    async def _greet(self, client: Client, claims: dict[str, Any], socket: WebSocket) -> None:
        """The `connect` event, by whose answer the app may name the client, and add groups and roles."""
        query = {key: socket.query_params.getlist(key) for key in socket.query_params if key != "access_token"}
        told = {"claims": claims, "query": query, "headers": {}, "subprotocols": socket.scope["subprotocols"]}
        answer = await self._handler.system(client, "connect", told)
        if answer is not None and isinstance(answer.data, dict):
            client.user_id = answer.data.get("userId") or client.user_id
            client.groups.update(answer.data.get("groups") or ())
            client.roles.update(answer.data.get("roles") or ())

    async def _stay(self, client: Client, socket: WebSocket) -> None:
        code, reason = await self._served(client, socket)
        if client.has_moved_from(socket):
            return
        if client.is_reliable and code in LOST:
            client.detach()
            self._absences[client.id] = asyncio.create_task(self._wait_for(client))
            return
        if reason and client.subprotocol is not None:
            await client.send({"type": "system", "event": "disconnected", "message": reason})
        await self._leave(client, code, reason)

    async def _served(self, client: Client, socket: WebSocket) -> tuple[int, str]:
        """Handle frame after frame to the end; returns its code, and the reason if it was the client's fault."""
        try:
            while (message := await socket.receive())["type"] != "websocket.disconnect":
                frame = message.get("text")
                await self._handle(client, message["bytes"] if frame is None else frame)
            return int(message.get("code") or NORMAL), ""
        except (ProtocolViolation, RecursionError) as violation:
            return VIOLATION, str(violation)
        except EventRefused as refused:
            return FAILED, str(refused)

    async def _wait_for(self, client: Client) -> None:
        await asyncio.sleep(self._recovery_seconds)
        del self._absences[client.id]
        await self._leave(client, NORMAL, "the client did not come back")

    async def _leave(self, client: Client, code: int, reason: str) -> None:
        self._clients.discard(client)
        await client.close(code, reason)
        await self._tell(client, "disconnected", {"reason": reason})

    async def _tell(self, client: Client, name: str, body: dict[str, Any]) -> None:
        """An event that nobody waits for in the service: its refusal changes nothing."""
        if await self._handler.is_there():
            try:
                await self._handler.system(client, name, body)
            except EventRefused:
                return  # logged

    async def _handle(self, client: Client, frame: str | bytes) -> None:
        if client.subprotocol is None:
            await self._hand_on(client, "message", Payload("text" if isinstance(frame, str) else "binary", frame))
            return
        request = parse_frame(frame)
        if request.get("type") == "ping":
            await client.send({"type": "pong"})
        elif request.get("type") == "sequenceAck":
            client.has_read(int_of(request, "sequenceId"))
        elif "ackId" not in request:
            await self._carry_out(client, request)
        else:
            await self._acknowledge(client, request, int_of(request, "ackId"))

    async def _acknowledge(self, client: Client, request: dict[str, Any], ack_id: int) -> None:
        """Carry out a request unless it came before, as it does when a reliable client did not hear the answer."""
        if ack_id in client.acks:
            await client.send(ack(ack_id, ("Duplicate", f"the request {ack_id} was carried out before")))
            return
        error = await self._carry_out(client, request)
        client.acks.append(ack_id)
        if request.get("type") != "event":  # which the app has taken its time for
            await asyncio.sleep(ANSWER_SECONDS)
        await client.send(ack(ack_id, error))

    async def _carry_out(self, client: Client, request: dict[str, Any]) -> tuple[str, str] | None:
        """Returns the name and the message of what stood in the way; raises ProtocolViolation or EventRefused."""
        kind = request.get("type")
        if kind == "event":
            return await self._hand_on(client, event_name(request), Payload.of_request(request))
        if kind not in ("joinGroup", "leaveGroup", "sendToGroup"):
            raise ProtocolViolation(f"{kind!r} is not a type of request")
        group = group_name(request)
        permission = "sendToGroup" if kind == "sendToGroup" else "joinLeaveGroup"
        if not client.may(permission, group):
            return "Forbidden", f"the client has no role webpubsub.{permission}.{group}"
        if kind == "joinGroup":
            client.groups.add(group)
        elif kind == "leaveGroup":
            client.groups.discard(group)
        else:
            await self._send_to_group(client, group, request)
        return None

    async def _send_to_group(self, client: Client, group: str, request: dict[str, Any]) -> None:
        payload = Payload.of_request(request)
        sender = {"fromUserId": client.user_id} if client.user_id else {}
        for receiver in self._clients.group(client.hub, group):
            if receiver is not client or not request.get("noEcho"):
                await receiver.deliver(payload, **{"from": "group", "group": group}, **sender)

    async def _hand_on(self, client: Client, name: str, payload: Payload) -> tuple[str, str] | None:
        if not await self._handler.is_there():
            return "NotFound", "no event handler is set up"
        if (answer := await self._handler.user(client, name, payload)) is not None:
            await client.deliver(answer, **{"from": "server"})
        return None


def new_client(hub: str, claims: dict[str, Any], offered: list[str]) -> Client:
    """As its token says: who it is, what it may do, and which groups it is in from the start."""
    return Client(
        hub=hub,
        user_id=claims.get("sub"),
        roles=set(listed(claims.get("role"))),
        groups=set(listed(claims.get("webpubsub.group"))),
        subprotocol=next((protocol for protocol in offered if protocol in PROTOCOLS), None),
    )


def listed(claim: Any) -> list[str]:
    """A claim that may be one text or several."""
    return [claim] if isinstance(claim, str) else list(claim or ())


def int_of(request: dict[str, Any], name: str) -> int:
    value = request.get(name)
    if not isinstance(value, int) or value < 0:
        raise ProtocolViolation(f"{name} must be a whole number")
    return value


def event_name(request: dict[str, Any]) -> str:
    name = request.get("event")
    if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
        raise ProtocolViolation("event must be a name of letters, digits, dots, dashes and underscores")
    return name
