"""POST /v2/models/{name}[/versions/{version}]/infer as bare ASGI: what is asked thousands of times a second goes round the framework."""

import asyncio
import re
from typing import Any, NamedTuple

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import InputError
from pipeline.serving.http.apply_routes import CLOSED, transformed
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.middleware import answer
from pipeline.serving.http.openapi import errors
from pipeline.serving.http.service import Service
from pipeline.serving.http.v2_tensors import HEADER_LENGTH, parse, respond

LONG = 256 * 1024
"""Bytes of a body beyond which reading its JSON would hold up the others."""
LENGTH = HEADER_LENGTH.lower().encode()

PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?/infer")

TENSOR = {
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
REQUEST = {
    "type": "object",
    "required": ["inputs"],
    "properties": {
        "id": {"type": "string"},
        "parameters": {"type": "object", "properties": {"binary_data_output": {"type": "boolean"}}},
        "inputs": {"type": "array", "items": TENSOR},
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
    """What the metrics call a request."""

    path: str


PLAIN, VERSIONED = Route("/v2/models/{model}/infer"), Route("/v2/models/{model}/versions/{version}/infer")


class Infer:
    """ASGI middleware that answers inference, and passes all else on."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if asked is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = VERSIONED if asked[2] else PLAIN
        try:
            if scope["method"] != "POST":
                raise Refusal(405, "inference is asked for by POST")
            content, headers = await self.inferred(asked[1], asked[2], scope, receive)
        except Refusal as refusal:
            await answer(refusal)(scope, receive, send)
        except InputError as error:
            await answer(Refusal(400, str(error)))(scope, receive, send)
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

    async def inferred(
        self, model: str, version: str | None, scope: Scope, receive: Receive
    ) -> tuple[bytes, dict[str, str]]:
        """The answer's body and headers. Raises Refusal."""
        service = self.service
        now = service.named(model, version)
        body = await whole(receive)
        length = next((value.decode("latin-1") for name, value in scope["headers"] if name == LENGTH), None)
        arguments = (body, length, now, service.settings.max_images)
        asked = parse(*arguments) if len(body) < LONG else await asyncio.to_thread(parse, *arguments)
        if now.any_size:
            drawn = await transformed(service, now, asked, Request(scope, receive).is_disconnected)
        else:
            drawn = await service.batcher.draw(now, asked.inputs, tuple(asked.outputs))
        return respond(asked, drawn, now)


async def whole(receive: Receive) -> bytes:
    """The body of a request."""
    message = await receive()
    parts = [message.get("body", b"")]
    while message.get("more_body", False):
        message = await receive()
        parts.append(message.get("body", b""))
    if message["type"] == "http.disconnect":
        raise Refusal(CLOSED, "the client has left")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def documented() -> dict[str, Any]:
    """The two paths as OpenAPI describes them."""
    responses = {
        200: {
            "description": "The outputs.",
            "content": {"application/json": {"schema": {"type": "object"}}, "application/octet-stream": BINARY},
        },
        **errors(400, 404, 408, 413, 429, 503),
    }
    found = {}
    for route, about in (
        (
            PLAIN,
            "Images of latents, or of pictures: tensors in, tensors out, as JSON or (binary tensor data extension) as bytes behind it.",
        ),
        (VERSIONED, "The same of a version, which fails (404) as soon as another is served."),
    ):
        names = re.findall(r"{(\w+)}", route.path)
        found[route.path] = {
            "post": {
                "tags": ["Open Inference Protocol"],
                "summary": "Infer" if route is PLAIN else "Version Infer",
                "description": about,
                "operationId": "infer" if route is PLAIN else "version_infer",
                "parameters": [
                    {"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": REQUEST}, "application/octet-stream": BINARY},
                },
                "responses": {str(status): told for status, told in responses.items()},
            }
        }
    return found
