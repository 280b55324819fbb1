"""The API without a host: one request to the app over some services, in this process."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from core.bootstrap import Services
from functions.http.app import create_app


def call(services: Services, method: str, path: str, **options: Any) -> httpx.Response:
    """The answer to a request with httpx's ``options``. What the app fails with is raised."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(lambda: services))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **options)

    return asyncio.run(send())
