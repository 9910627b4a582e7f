"""HTTP: a served model as a prediction API: POST /ask and /explain, GET /about."""

import json
import math
import socket
from contextlib import suppress
from typing import Any

import torch
import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from torch import Tensor

from fedleak.errors import ConfigError, FedleakError, UserError, echo
from fedleak.serving.loopback import loopback
from fedleak.serving.served_model import ServedModel


def application(service: ServedModel) -> FastAPI:
    """The API of a service; requests are answered one after the other, as they come.

    Its own documentation pages are left out: they would have browsers load scripts from elsewhere.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(asked_for_here)])

    @app.post("/ask")
    async def ask(request: Request) -> dict[str, Any]:
        inputs = inputs_in(await request.body(), service.space.shape)
        return {"answers": plain_rows(service.ask(inputs)), "remaining": service.remaining}

    @app.post("/explain")
    async def explain(request: Request) -> dict[str, Any]:
        said = service.explain(inputs_in(await request.body(), service.space.shape))
        return {"explanations": plain_rows(said.flatten(1)), "remaining": service.remaining}

    @app.get("/about")
    async def about() -> dict[str, Any]:
        return facts_of(service)

    @app.exception_handler(UserError)
    async def refuse(request: Request, error: UserError) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"detail": str(error)}, status_code=422)

    @app.exception_handler(FedleakError)
    async def fail(request: Request, error: FedleakError) -> JSONResponse:  # noqa: ARG001
        return JSONResponse({"detail": str(error)}, status_code=500)

    return app


async def asked_for_here(request: Request) -> None:
    """Refuses what a browser was led here for under another machine's name, which could then read the answers."""
    loopback(request.url.hostname or "", "Host")


def facts_of(service: ServedModel) -> dict[str, Any]:
    """What is public of a service: what it takes, what it answers with, and what its defenses are."""
    return {
        "task": service.task.name,
        "classes": service.classes,
        "shape": list(service.space.shape),
        "range": list(service.space.bounds),
        "defenses": service.chain.tables,
        "resolution": service.chain.resolution,
        "answer_noise": service.chain.answer_noise,
        "remaining": service.remaining,
        "explanations": service.background is not None,
    }


def inputs_in(body: bytes, shape: tuple[int, ...]) -> Tensor:
    """The inputs of a request; raises `ConfigError`, one sentence, where its body has none."""
    wanted = f'expected {{"inputs": [...]}} with numbers in shape (number, {", ".join(map(str, shape))})'
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{wanted}, got what is no JSON") from error
    if not isinstance(request, dict) or set(request) != {"inputs"}:
        raise ConfigError(f"{wanted} and nothing else, got {echo(request) if request != {} else 'an empty object'}")
    try:
        return torch.tensor(request["inputs"], dtype=torch.float64).clamp(*_SINGLE).float()
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"{wanted}, got {echo(request['inputs'])}") from error


_SINGLE = -float(torch.finfo(torch.float32).max), float(torch.finfo(torch.float32).max)


def plain_rows(answers: Tensor) -> list[list[float] | None]:
    """Answers as JSON has them: exact, and null for a row that was refused."""
    return [None if any(map(math.isnan, row)) else row for row in answers.tolist()]


def serve(service: ServedModel, listener: socket.socket) -> None:
    """Answers at a socket that listens, until the process is interrupted."""
    config = uvicorn.Config(application(service), log_level="warning", access_log=False, lifespan="off", ws="none")
    with suppress(KeyboardInterrupt):  # how people end it
        uvicorn.Server(config).run(sockets=[listener])
