"""The routes of the local server."""

from __future__ import annotations

import logging
from typing import Final

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from voxloop._errors import AudioFormatError, ConfigError, VoxloopError
from voxloop.local.server.realtime.runner import run_session
from voxloop.local.server.refusal import Refusal
from voxloop.local.server.responses import create_response
from voxloop.local.server.speech import create_speech, create_transcription

__all__ = ["make_app"]

_log = logging.getLogger("voxloop.local.server")

MODELS: Final = ("moonshine-tiny-en", "hibari-heart", "voxloop-router")
"""What really answers. Other names are accepted, so that programs run unchanged, and answered by
these."""

_ROUTES: Final = (
    "GET /v1/models, POST /v1/audio/transcriptions, POST /v1/audio/speech, POST /v1/responses and "
    "the WebSocket /v1/realtime"
)


def make_app(stop: trio.Event) -> Starlette:
    """The application; ``stop`` is set when the server shuts down."""

    async def realtime(socket: WebSocket) -> None:
        await _realtime(socket, stop)

    return Starlette(
        routes=[
            Route("/v1/models", _models, methods=["GET"]),
            Route("/v1/models/{model}", _model, methods=["GET"]),
            Route("/v1/audio/transcriptions", create_transcription, methods=["POST"]),
            Route("/v1/audio/speech", create_speech, methods=["POST"]),
            Route("/v1/responses", create_response, methods=["POST"]),
            WebSocketRoute("/v1/realtime", realtime),
        ],
        exception_handlers={
            Refusal: _refused,
            VoxloopError: _failed,
            HTTPException: _http_error,
        },
    )


async def _realtime(socket: WebSocket, stop: trio.Event) -> None:
    if socket.query_params.get("call_id"):
        raise Refusal(
            "there are no calls here; connect without call_id", code="invalid_call", status=404
        )
    offered = socket.scope.get("subprotocols") or []
    await socket.accept("realtime" if "realtime" in offered else None)
    await run_session(
        socket,
        model=socket.query_params.get("model") or MODELS[-1],
        stop=stop,
        transcription_only=socket.query_params.get("intent") == "transcription",
    )


async def _models(request: Request) -> Response:
    return JSONResponse({"object": "list", "data": [_model_object(name) for name in MODELS]})


async def _model(request: Request) -> Response:
    name = request.path_params["model"]
    if name not in MODELS:
        raise Refusal(
            f"there is no model '{name[:100]}'; there are {', '.join(MODELS)}",
            code="model_not_found",
            param="model",
            status=404,
        )
    return JSONResponse(_model_object(name))


def _model_object(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "voxloop"}


async def _refused(request: Request | WebSocket, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - registered for this class
    if isinstance(request, WebSocket):
        raise error
    return JSONResponse(error.body(), error.status)


async def _failed(request: Request | WebSocket, error: Exception) -> Response:
    assert isinstance(error, VoxloopError)  # noqa: S101 - registered for this class
    fault_of_client = isinstance(error, (AudioFormatError, ConfigError))
    refusal = Refusal(
        str(error),
        code=error.code,
        type="invalid_request_error" if fault_of_client else "server_error",
        status=400 if fault_of_client else 500,
    )
    if not fault_of_client:
        _log.error("a request failed: %s", error)
    return JSONResponse(refusal.body(), refusal.status)


async def _http_error(request: Request | WebSocket, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    where = f"{request.scope.get('method', 'WS')} {request.url.path[:200]}"
    refusal = Refusal(
        f"{where}: {error.detail}. There is {_ROUTES}", code="not_found", status=error.status_code
    )
    return JSONResponse(refusal.body(), error.status_code, headers=error.headers)
