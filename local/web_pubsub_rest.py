"""The emulator's REST API, as far as the service SDK needs it to reach clients and to manage groups."""

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local.web_pubsub_clients import Client, Clients
from local.web_pubsub_protocol import Payload
from local.web_pubsub_tokens import EmulatorAddress, TokenRefused, bearer

Endpoint = Callable[[Request], Awaitable[Response]]
REMOVED = 1000


def rest_routes(address: EmulatorAddress, clients: Clients) -> list[Route]:
    """Every route under `/api/hubs/{hub}`; each asks for a token that was made for its very address."""
    rest = Rest(clients)
    hub = "/api/hubs/{hub}"
    member = hub + "/groups/{group}/connections/{connection}"
    endpoints: list[tuple[str, str, Endpoint]] = [
        ("POST", hub + "/:send", rest.send_to_all),
        ("POST", hub + "/groups/{group}/:send", rest.send_to_group),
        ("POST", hub + "/users/{user}/:send", rest.send_to_user),
        ("POST", hub + "/connections/{connection}/:send", rest.send_to_connection),
        ("HEAD", hub + "/connections/{connection}", rest.connection_exists),
        ("HEAD", hub + "/groups/{group}", rest.group_exists),
        ("DELETE", hub + "/connections/{connection}", rest.close_connection),
        ("PUT", member, rest.add_to_group),
        ("DELETE", member, rest.remove_from_group),
    ]
    return [Route(path, guarded(address, endpoint), methods=[method]) for method, path, endpoint in endpoints]


def guarded(address: EmulatorAddress, endpoint: Endpoint) -> Endpoint:
    """`endpoint`, for callers with a token alone."""

    @wraps(endpoint)
    async def checked(request: Request) -> Response:
        url = address.endpoint + request.scope["raw_path"].decode()
        query = request.scope["query_string"].decode()
        try:
            address.claims(bearer(request.headers.get("authorization", "")), url, f"{url}?{query}")
        except TokenRefused as refused:
            return Response(str(refused), 401)
        return await endpoint(request)

    return checked


class Rest:
    """What the app asks of the service."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    async def send_to_all(self, request: Request) -> Response:
        return await self._send(request, self._clients.all(request.path_params["hub"]))

    async def send_to_user(self, request: Request) -> Response:
        everybody = self._clients.all(request.path_params["hub"])
        return await self._send(request, [one for one in everybody if one.user_id == request.path_params["user"]])

    async def send_to_group(self, request: Request) -> Response:
        group = request.path_params["group"]
        members = self._clients.group(request.path_params["hub"], group)
        return await self._send(request, members, {"from": "group", "group": group})

    async def send_to_connection(self, request: Request) -> Response:
        client = self._client(request)
        return Response(status_code=404) if client is None else await self._send(request, [client])

    async def connection_exists(self, request: Request) -> Response:
        return Response(status_code=404 if self._client(request) is None else 200)

    async def group_exists(self, request: Request) -> Response:
        members = self._clients.group(request.path_params["hub"], request.path_params["group"])
        return Response(status_code=200 if members else 404)

    async def close_connection(self, request: Request) -> Response:
        if (client := self._client(request)) is not None:
            await client.close(REMOVED, request.query_params.get("reason", ""))
        return Response(status_code=204)

    async def add_to_group(self, request: Request) -> Response:
        client = self._client(request)
        if client is None:
            return Response(status_code=404)
        client.groups.add(request.path_params["group"])
        return Response(status_code=200)

    async def remove_from_group(self, request: Request) -> Response:
        if (client := self._client(request)) is not None:
            client.groups.discard(request.path_params["group"])
        return Response(status_code=204)

    def _client(self, request: Request) -> Client | None:
        return self._clients.get(request.path_params["hub"], request.path_params["connection"])

    async def _send(self, request: Request, clients: list[Client], source: dict[str, str] | None = None) -> Response:
        try:
            payload = Payload.of_body(request.headers.get("content-type", ""), await request.body())
        except ValueError as error:
            return Response(str(error), 400)
        excluded = request.query_params.getlist("excluded")
        for client in clients:
            if client.id not in excluded:
                await client.deliver(payload, **(source or {"from": "server"}))
        return Response(status_code=202)
