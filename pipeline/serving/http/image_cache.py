"""Revalidation of generated files: a client that has the file of a model and its parameters does not get it again."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import Response

from pipeline import __version__
from pipeline.serving.http.image_queries import SeedQuery
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.openapi_errors import error_responses, result_responses

Q = TypeVar("Q", bound=SeedQuery)


async def revalidate(
    service: InferenceService,
    request: Request,
    query: Q,
    generate: Callable[[InferenceService, LoadedModel, Q], Awaitable[Response]],
) -> Response:
    """Return the file of a query, or status 304 without a run of the model if the client has it."""
    loaded = service.current
    tag = entity_tag(service, loaded, request.url.path, query)
    if is_known(tag, request.headers.getlist("if-none-match")):
        headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Model-Version": loaded.version}
        return Response(status_code=304, headers=headers)
    response = await generate(service, loaded, query)
    response.headers["ETag"] = tag
    return response


def entity_tag(service: InferenceService, loaded: LoadedModel, path: str, query: SeedQuery) -> str:
    """Return the ETag of a file. It is weak: another machine may round differently."""
    decides = (
        __version__,
        loaded.version,
        loaded.sha256,
        loaded.edits.digest,
        loaded.graph.provider,
        service.settings.max_images,
        path,
        query.model_dump_json(),
    )
    return f'W/"{hashlib.sha256(repr(decides).encode()).hexdigest()[:32]}"'


def is_known(tag: str, known: list[str]) -> bool:
    """Return whether the values of If-None-Match contain a tag; weak and strong tags are equal."""
    tags = (one.strip().removeprefix("W/") for value in known for one in value.split(","))
    return tag.removeprefix("W/") in tags


def cached_responses(media_type: str | None, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that returns a file of a seed, with error statuses of its own."""
    unchanged = {"description": "The file with the ETag in If-None-Match is still the result."}
    return {**result_responses(media_type), **error_responses(*statuses), 304: unchanged}
