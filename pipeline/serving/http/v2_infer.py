"""POST /v2/models/{name}[/versions/{version}]/infer as plain ASGI: a hot path that bypasses the web framework."""

import asyncio
import re
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import InputError
from pipeline.serving.http.apply_routes import transform_tensors
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.middleware import CLIENT_CLOSED, error_response
from pipeline.serving.http.openapi_errors import error_responses
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.http.v2_tensors import HEADER_LENGTH, encode_response, parse_request

LONG_BODY = 256 * 1024
"""Bytes of a body above which its JSON is parsed in a thread, to keep the event loop responsive."""

LENGTH_HEADER = HEADER_LENGTH.lower().encode()
PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")

TENSOR_SCHEMA = {
    "type": "object",
    "required": ["name", "shape", "datatype"],
    "properties": {
        "name": {"type": "string"},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "datatype": {"type": "string", "enum": ["FP32", "INT64"]},
        "data": {"type": "array"},
        "parameters": {"type": "object", "properties": {"binary_data_size": {"type": "integer"}}},
    },
}
REQUEST_SCHEMA = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
        "inputs": {"type": "array", "items": TENSOR_SCHEMA},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string"},
                    "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}},
                },
            },
        },
    },
}
BINARY = {"schema": {"type": "string", "format": "binary"}}


class Route(NamedTuple):
    """The name of a route in the metrics, as FastAPI's routes have one."""

    path: str


PLAIN, VERSIONED = Route("/v2/models/{model}/infer"), Route("/v2/models/{model}/versions/{version}/infer")


class InferenceMiddleware:
    """ASGI middleware that answers inference requests and passes on all others."""

    def __init__(self, app: ASGIApp, service: InferenceService) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        match = PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if match is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = VERSIONED if match[2] else PLAIN
        try:
            if scope["method"] != "POST":
                raise RequestError(405, "inference requests use POST.", extra={"Allow": "POST"})
            content, headers = await self.infer((match[1], match[2]), scope, receive)
        except RequestError as error:
            await error_response(error, self.service)(scope, receive, send)
        except InputError as error:
            await error_response(RequestError(400, str(error)), self.service)(scope, receive, send)
        else:
            raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
            await send(
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"%d" % len(content)), *raw],
                }
            )
            await send({"type": "http.response.body", "body": content})

    async def infer(
        self, model: tuple[str, str | None], scope: Scope, receive: Receive
    ) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of the response for a model's name and version. Raises RequestError."""
        service = self.service
        loaded = service.model(*model)
        body = await read_body(receive)
        length = next((value.decode("latin-1") for name, value in scope["headers"] if name == LENGTH_HEADER), None)
        arguments = (body, length, loaded, service.settings.max_images)
        request = (
            parse_request(*arguments) if len(body) < LONG_BODY else await asyncio.to_thread(parse_request, *arguments)
        )
        if loaded.any_size:
            outputs = await transform_tensors(service, loaded, request)
        else:
            outputs = await service.batcher.run(loaded, request.inputs, tuple(request.outputs))
        return encode_response(request, outputs, loaded)


async def read_body(receive: Receive) -> bytes:
    """Return the body of a request. Raises RequestError if the client leaves."""
    message = await receive()
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise RequestError(CLIENT_CLOSED, "the client has left.")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def openapi_paths() -> dict[str, Any]:
    """Return the OpenAPI description of both paths."""
    responses = {
        200: {
            "description": "The outputs.",
            "content": {"application/json": {"schema": {"type": "object"}}, "application/octet-stream": BINARY},
        },
        **error_responses(400, 404, 408, 413, 429, 503),
    }
    descriptions = {
        PLAIN: "Run the model on tensors, sent as JSON or as binary data behind it (binary tensor data extension).",
        VERSIONED: "Run this version of the model. Returns 404 as soon as another version is served.",
    }
    paths = {}
    for route, description in descriptions.items():
        names = re.findall(r"{(\w+)}", route.path)
        paths[route.path] = {
            "post": {
                "tags": ["Open Inference Protocol"],
                "summary": "Infer" if route is PLAIN else "Version Infer",
                "description": description,
                "operationId": "infer" if route is PLAIN else "version_infer",
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": REQUEST_SCHEMA}, "application/octet-stream": BINARY},
                },
                "responses": {str(status): response for status, response in responses.items()},
            }
        }
    return paths
