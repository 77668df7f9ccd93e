"""The HTTP application: endpoints, error handling, OpenAPI document."""

import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.serving.http import pages
from pipeline.serving.http.apply_routes import apply_router
from pipeline.serving.http.image_routes import image_router
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.middleware import RequestGuard, error_response
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.http.v2_infer import InferenceMiddleware, openapi_paths
from pipeline.serving.http.v2_routes import v2_router
from pipeline.serving.http.v2_tensors import HEADER_LENGTH

DESCRIPTION = """Images from an exported generator: from a seed, or from another image. A request gives the same result
regardless of concurrent requests until the model changes. The headers of every image name the version of the model.
Errors are `{"error": "what is wrong and what to do"}`."""
LONGEST_ERROR = 1000

REQUEST_HEADERS = ("Authorization", "Content-Encoding", "Content-Type", "If-None-Match", HEADER_LENGTH, "X-Request-ID")
RESPONSE_HEADERS = (
    "ETag",
    HEADER_LENGTH,
    "Retry-After",
    "Server-Timing",
    "X-Lost",
    "X-Model-Version",
    "X-Request-ID",
)
"""Headers that pages of other origins may send and read, besides those that browsers always allow."""


def create_app(service: InferenceService) -> FastAPI:
    """Return the ASGI application of a service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="ganline", version=__version__, description=DESCRIPTION, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.add_middleware(InferenceMiddleware, service=service)
    app.add_middleware(RequestGuard, service=service)
    if service.settings.cors_origin:  # around the guard: preflight requests carry no token
        app.add_middleware(
            CORSMiddleware,
            allow_origins=service.settings.cors_origin,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
        )

    async def answer(_: Request, error: Exception) -> Response:
        """Return any error in the same JSON shape."""
        return error_response(as_request_error(error), service)

    for kind in (RequestError, InputError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, answer)
    for router in (image_router, apply_router, v2_router):
        app.include_router(router(service))

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return HTMLResponse(pages.read_html("index.html"), headers=pages.HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(pages.render_docs(app.openapi()), headers=pages.HEADERS)

    @app.get("/metrics", tags=["monitoring"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Metrics in Prometheus's text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    secured = service.settings.token is not None
    app.openapi = functools.partial(openapi_document, app, app.openapi, secured=secured)  # type: ignore[method-assign]
    return app


def as_request_error(error: Exception) -> RequestError:
    """Return any error with its status and its headers."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, RequestValidationError):
        problems = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
        return RequestError(422, problems[:LONGEST_ERROR])
    if isinstance(error, HTTPException):
        headers = dict(error.headers or {})
        if "GET" in headers.get("Allow", ""):
            headers["Allow"] += ", HEAD"
        return RequestError(error.status_code, str(error.detail), extra=headers)
    return RequestError(400, str(error)[:LONGEST_ERROR])


def openapi_document(app: FastAPI, generate: Callable[[], dict[str, Any]], *, secured: bool) -> dict[str, Any]:
    """Return FastAPI's OpenAPI document with the real error responses, and the token if one is required."""
    if app.openapi_schema is None:
        document = generate()
        document["paths"] |= openapi_paths()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for methods in document["paths"].values():
            for operation in methods.values():
                # FastAPI adds this response to every endpoint with parameters, even if they may be any text.
                if operation["responses"].get("422", {}).get("description") == "Validation Error":
                    del operation["responses"]["422"]
        schemas["Error"] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
        if secured:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    schema: dict[str, Any] = app.openapi_schema
    return schema
