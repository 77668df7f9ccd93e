"""The errors as OpenAPI names them."""

from typing import Any

MEANINGS = {
    400: "What the model cannot fulfil.",
    401: "No token, or a wrong one.",
    404: "No such model or version.",
    408: "The request came too slowly.",
    413: "The body is too long, or the picture too large.",
    415: "The body is compressed, or a form.",
    422: "A parameter is wrong or unknown.",
    429: "Too many images wait; Retry-After says when to ask again.",
    503: "Not drawn in time.",
}
ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of an endpoint that may answer so; a missing token and a head that is refused go without saying."""
    return {status: {"description": MEANINGS[status], "content": ERROR} for status in (*statuses, 401, 413, 415)}
