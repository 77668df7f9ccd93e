"""Descriptions of the error responses in the OpenAPI document."""

from typing import Any

MEANINGS = {
    400: "The model cannot fulfil the request.",
    401: "The token is missing or wrong.",
    404: "No such model, version or format.",
    408: "The request arrived too slowly.",
    413: "The body is too long, or the image too large.",
    415: "The body has an unknown Content-Encoding, or is a form.",
    422: "A parameter is wrong or unknown.",
    429: "Too many images are waiting; Retry-After says when to try again.",
    503: "Not finished in time, or the service is shutting down.",
}
ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint with these error statuses and those of every endpoint."""
    return {status: {"description": MEANINGS[status], "content": ERROR} for status in (*statuses, 401, 413, 415)}


def result_responses(*media_types: str | None) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that returns a file of one of these types."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {str(name): binary for name in media_types}}, **error_responses(400, 422, 429, 503)}
