"""The page on the HTTP service, from its OpenAPI document and its Prometheus registry."""

from types import SimpleNamespace
from typing import Any, cast

PATH_PARAMETERS = {
    "model": "Name of the model: that of its file (`generator`), or the registered one.",
    "version": "Version of the model: digest of its file, or the registered number.",
}
"""Descriptions that the OpenAPI document does not have."""


def document() -> dict[str, Any]:
    """Return the service's OpenAPI document. No model is needed to describe the endpoints."""
    from pipeline.serving.http.application import create_app
    from pipeline.serving.http.prometheus_metrics import Metrics
    from pipeline.serving.settings import ServeSettings

    service = SimpleNamespace(settings=ServeSettings(), metrics=Metrics())
    document: dict[str, Any] = create_app(cast(Any, service)).openapi()
    return document


def endpoints() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the description of every endpoint by (method, path)."""
    return {
        (method.upper(), path): operation
        for path, operations in document()["paths"].items()
        for method, operation in operations.items()
    }


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# HTTP endpoints",
        "",
        "`ganline serve` answers these requests. The running service describes itself at `/docs` (for people) and",
        '`/openapi.json` (for programs). Errors are JSON objects of the form `{"error": "..."}`. The limits are the',
        "defaults of {ref}`ganline serve <command-serve>`.",
        "",
    ]
    for (method, path), operation in endpoints().items():
        lines += [f"## `{method} {path}`", "", operation.get("description", operation.get("summary", "")), ""]
        for parameter in operation.get("parameters", []):
            lines += field(parameter)
        if body := operation.get("requestBody"):
            kinds = ", ".join(f"`{kind}`" for kind in body["content"])
            lines += ["Request body", f": {kinds}", ""]
        lines += ["| status | meaning |", "|---|---|"]
        lines += [f"| {status} | {meaning(response)} |" for status, response in sorted(operation["responses"].items())]
        lines.append("")
    return "\n".join([*lines, *metrics()])


def field(parameter: dict[str, Any]) -> list[str]:
    """Return the lines of one parameter as a definition."""
    schema = parameter["schema"]
    options = schema.get("anyOf", [schema])
    kinds = [option for option in options if option.get("type") != "null"]
    text = " | ".join(str(kind.get("type", "")) for kind in kinds)
    for key, words in (("minimum", "at least"), ("maximum", "at most"), ("maxItems", "at most (items)")):
        values = [kind[key] for kind in (*kinds, schema) if key in kind]
        if values:
            text += f", {words} {values[0]:,}"
    default = f" Default: `{schema['default']}`." if schema.get("default") not in (None, []) else ""
    name = parameter["name"]
    about = parameter.get("description", schema.get("description")) or PATH_PARAMETERS[name]
    return [f"`{name}` ({parameter['in']}: {text})", f": {about}{default}", ""]


def meaning(response: dict[str, Any]) -> str:
    """Return what a response says and in which media types."""
    kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
    return f"{response.get('description', '')}{f' ({kinds})' if kinds else ''}"


def metrics() -> list[str]:
    """Return the lines on Prometheus's metrics."""
    from pipeline.serving.http.prometheus_metrics import Metrics

    lines = ["(prometheus-metrics)=", "## Prometheus metrics", "", "`GET /metrics` returns:", ""]
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        lines += [f"`{name}` ({family.type})", f": {family.documentation}", ""]
    return lines
