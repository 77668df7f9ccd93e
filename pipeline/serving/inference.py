"""The endpoints of the Open Inference Protocol (v2, REST): KServe's, Triton's and Seldon's clients speak it."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from pipeline import __version__
from pipeline.serving.applying import transformed
from pipeline.serving.describing import errors
from pipeline.serving.protocol import HEADER_LENGTH, metadata, parse, respond
from pipeline.serving.refusal import Refusal
from pipeline.serving.served import Served
from pipeline.serving.service import Service

LONG = 256 * 1024
"""Bytes of a body beyond which reading its JSON would hold up the others."""

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
                "properties": {"name": {"type": "string"}, "parameters": {"type": "object", "properties": {"binary_data": {"type": "boolean"}}}},
            },
        },
    },
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
INFER: dict[str, Any] = {
    "openapi_extra": {"requestBody": {"required": True, "content": {"application/json": {"schema": REQUEST}, "application/octet-stream": BINARY}}},
    "responses": {
        200: {"description": "The outputs.", "content": {"application/json": {"schema": {"type": "object"}}, "application/octet-stream": BINARY}},
        **errors(400, 404, 408, 413, 429, 503),
    },
    "response_class": Response,
}
NAMED: dict[str, Any] = {"responses": errors(404)}


def router(service: Service) -> APIRouter:
    """/v2 and what is below it."""
    found = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    def served(model: str, version: str | None = None) -> Served:
        """The model under that name. Raises Refusal (404) for another, or a version that is not served."""
        now = service.keeper.served
        if model != now.name:
            raise Refusal(404, f"there is no model {model[:100]!r} here; {now.name!r} is served")
        if version is not None and version != now.version:
            raise Refusal(404, f"version {version[:100]!r} of {now.name!r} is not served; {now.version!r} is")
        return now

    @found.get("", responses=errors())
    async def server_metadata() -> dict[str, Any]:
        """Who answers, and what it understands."""
        return {"name": "ganline", "version": __version__, "extensions": ["binary_tensor_data"]}

    @found.get("/health/live")
    async def live() -> dict[str, bool]:
        """200 while the process answers."""
        return {"live": True}

    @found.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """200 when a warmed-up model is served: always, since the service opens its port only then."""
        return {"ready": True}

    async def inferred(now: Served, request: Request) -> Response:
        body = await request.body()
        arguments = (body, request.headers.get(HEADER_LENGTH), now, service.settings.max_images)
        asked = parse(*arguments) if len(body) < LONG else await asyncio.to_thread(parse, *arguments)
        if now.any_size:
            drawn = await transformed(service, now, asked, request.is_disconnected)
        else:
            drawn = await service.batcher.draw(now, asked.inputs, tuple(asked.outputs))
        content, headers = respond(asked, drawn, now)
        return Response(content, headers=headers)

    @found.get("/models/{model}", **NAMED)
    async def model_metadata(model: str) -> dict[str, Any]:
        """Inputs, outputs and the version that is served."""
        return metadata(served(model))

    @found.get("/models/{model}/versions/{version}", **NAMED)
    async def version_metadata(model: str, version: str) -> dict[str, Any]:
        """The same, if that version is served."""
        return metadata(served(model, version))

    @found.get("/models/{model}/ready", **NAMED)
    async def model_ready(model: str) -> dict[str, Any]:
        """200 when the model can be asked."""
        return {"name": served(model).name, "ready": True}

    @found.get("/models/{model}/versions/{version}/ready", **NAMED)
    async def version_ready(model: str, version: str) -> dict[str, Any]:
        """The same, if that version is served."""
        return {"name": served(model, version).name, "ready": True}

    @found.post("/models/{model}/infer", **INFER)
    async def infer(model: str, request: Request) -> Response:
        """Images of latents, or of pictures: tensors in, tensors out, as JSON or (binary tensor data extension) as bytes behind it."""
        return await inferred(served(model), request)

    @found.post("/models/{model}/versions/{version}/infer", **INFER)
    async def version_infer(model: str, version: str, request: Request) -> Response:
        """The same of a version, which fails (404) as soon as another is served."""
        return await inferred(served(model, version), request)

    return found
