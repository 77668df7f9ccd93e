"""The page at / and the description at /docs: one file each, nothing fetched from elsewhere."""

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


@functools.cache
def html(name: str) -> str:
    return files("pipeline.serving.http").joinpath("html", name).read_text(encoding="utf-8")


def docs(document: Mapping[str, Any]) -> str:
    """The OpenAPI document for people."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(html("docs.html")).render(document=document)
