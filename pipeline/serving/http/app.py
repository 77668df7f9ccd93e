"""The HTTP application: its endpoints, its errors, its description."""

import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from pipeline import __version__
from pipeline.errors import InputError
from pipeline.serving.http import apply_routes, image_routes, pages, v2_routes
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.middleware import Guard, answer
from pipeline.serving.http.service import Service
from pipeline.serving.http.v2_infer import Infer, documented

ABOUT = """Pictures from an exported generator: of a seed, or of another picture. The same request gives the same picture, whatever else is asked for at
the same time, until the model changes; every picture's headers name the model's version. Errors are `{"error": "what is wrong, and the way out"}`."""
LONGEST_ERROR = 1000


def create(service: Service) -> FastAPI:
    """The ASGI application over a service."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="ganline", version=__version__, description=ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.add_middleware(Infer, service=service)
    app.add_middleware(Guard, settings=service.settings, metrics=service.metrics)
    for kind in (Refusal, InputError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, explain)
    app.include_router(image_routes.router(service))
    app.include_router(apply_routes.router(service))
    app.include_router(v2_routes.router(service))

    @app.get("/", include_in_schema=False)
    async def home() -> Response:
        return HTMLResponse(pages.html("index.html"), headers=pages.HEADERS)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(pages.docs(app.openapi()), headers=pages.HEADERS)

    @app.get("/metrics", tags=["watching"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus's text format."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    app.openapi = functools.partial(describe, app, app.openapi, secured=service.settings.token is not None)  # type: ignore[method-assign]
    return app


async def explain(_: Request, error: Exception) -> Response:
    """Every error in one shape."""
    if isinstance(error, Refusal):
        return answer(error)
    if isinstance(error, RequestValidationError):
        told = "; ".join(f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
        return answer(Refusal(422, told[:LONGEST_ERROR]))
    if isinstance(error, HTTPException):
        response = answer(Refusal(error.status_code, str(error.detail)))
        response.headers.update(error.headers or {})
        return response
    return answer(Refusal(400, str(error)[:LONGEST_ERROR]))


def describe(app: FastAPI, make: Any, *, secured: bool) -> dict[str, Any]:
    """FastAPI's OpenAPI document with the errors as they are, and the token where one is needed."""
    if app.openapi_schema is None:
        document = make()
        document["paths"] |= documented()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for methods in document["paths"].values():
            for one in methods.values():
                if (
                    one["responses"].get("422", {}).get("description") == "Validation Error"
                ):  # FastAPI's own guess, for parameters that may be any text
                    del one["responses"]["422"]
        schemas["Error"] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
        if secured:
            document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            document["security"] = [{"token": []}]
        app.openapi_schema = document
    schema: dict[str, Any] = app.openapi_schema
    return schema
