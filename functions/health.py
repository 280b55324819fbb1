"""The health function of a process that serves no API: a container app needs something to probe."""

import azure.functions as func

from functions.http.asgi import Request, Response
from functions.http.functions import answer

blueprint = func.Blueprint()


@blueprint.route(route="healthz", methods=("GET",))
async def healthz(req: Request) -> Response:
    """Say that the process lives."""
    return await answer(req)
