"""A server as OpenAI-compatible ones are: real HTTP on a free port, saying what a test wants it to."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Answering = Callable[["Asked"], Awaitable[Response]]


@dataclass(frozen=True)
class Asked:
    """A question: its headers, and its JSON."""

    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class ModelServer:
    """What the server was asked, and what it answers: `says` may be changed at any time."""

    url: str
    says: Answering
    asked: list[Asked] = field(default_factory=list)

    async def complete(self, request: Request) -> Response:
        """Answer a question."""
        self.asked.append(Asked(dict(request.headers), await request.json()))
        return await self.says(self.asked[-1])


class _Server(uvicorn.Server):
    """Tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = anyio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


@asynccontextmanager
async def model_server(says: Answering) -> AsyncIterator[ModelServer]:
    """A server of a model, at `/v1/chat/completions`."""
    listener = socket.create_server(("127.0.0.1", 0))
    served = ModelServer(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", says)

    async def complete(request: Request) -> Response:
        return await served.complete(request)

    app = Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
    server = _Server(uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        with anyio.fail_after(10):
            await server.listening.wait()
        yield served
        server.force_exit = server.should_exit = True


def completion(content: object) -> Response:
    """A chat completion with this content."""
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    return Response(json.dumps({"id": "c1", "object": "chat.completion", "choices": [choice]}))


def saying(answer: object) -> Answering:
    """Answers every question so: a response as it is, anything else as the content of a completion."""

    async def says(_: Asked) -> Response:
        return answer if isinstance(answer, Response) else completion(answer)

    return says
