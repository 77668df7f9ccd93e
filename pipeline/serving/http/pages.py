"""The page at / and the API description at /docs: one file each, without external resources."""

import functools
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src 'self' blob: data:; "
    "media-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}


@functools.cache
def read_html(name: str) -> str:
    """Return a file of the `html` folder."""
    return files("pipeline.serving.http").joinpath("html", name).read_text(encoding="utf-8")


def render_docs(document: Mapping[str, Any]) -> str:
    """Return the OpenAPI document as a page for people."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(read_html("docs.html")).render(document=document)
