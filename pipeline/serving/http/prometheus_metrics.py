"""What the service tells those who watch it: metrics for Prometheus, and one JSON object a line on stderr."""

import functools
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline.serving.http.loaded_model import Served

LOGGER = logging.getLogger("ganline.serve")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The service's metrics, in a registry of their own. Labels come from fixed sets, never from what a client sends."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("ganline_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "ganline_request_seconds",
            "From a request's first line to its answer's last.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.images = Counter("ganline_images", "Images drawn; of a large picture each tile.", registry=self.registry)
        self.batches = Histogram(
            "ganline_batch_images",
            "Images in one run of the model.",
            buckets=[2.0**k for k in range(11)],
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "ganline_batch_seconds", "One run of the model.", buckets=SECONDS, registry=self.registry
        )
        self.queue = Gauge("ganline_queue_images", "Images that wait to be drawn.", registry=self.registry)
        self.swaps = Counter(
            "ganline_model_swaps",
            "New models seen: served, or rolled back because they failed.",
            ["result"],
            registry=self.registry,
        )
        self.model = Gauge(
            "ganline_model_info",
            "1 for the model that is served.",
            ["name", "version", "sha256", "variant", "provider"],
            registry=self.registry,
        )
        for result in ("served", "rolled_back"):
            self.swaps.labels(result)

    @functools.cache  # noqa: B019 - there is one of these a process, and few routes
    def of(self, route: str, status: int) -> tuple[Counter, Histogram]:
        return self.requests.labels(route, str(status)), self.seconds.labels(route)

    def watch_queue(self, images: Callable[[], int]) -> None:
        self.queue.set_function(images)

    def batch(self, images: int, seconds: float) -> None:
        self.images.inc(images)
        self.batches.observe(images)
        self.batch_seconds.observe(seconds)

    def request(self, route: str, status: int, seconds: float) -> None:
        requests, took = self.of(route, status)
        requests.inc()
        took.observe(seconds)

    def serving(self, served: Served) -> None:
        self.model.clear()
        self.model.labels(
            served.name, served.version, served.sha256, served.graph.metadata.variant, served.graph.provider
        ).set(1)

    def text(self) -> bytes:
        """Prometheus's text format."""
        return generate_latest(self.registry)


class JsonLines(logging.Formatter):
    """{"time", "level", "event", ...}: `extra={"fields": {...}}` adds what is known beside the event."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
        }
        entry |= {"event": record.getMessage(), **getattr(record, "fields", {})}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


def log(event: str, fields: Mapping[str, object], level: int = logging.INFO) -> None:
    """An entry of the log. What `LOGGER.log` does without looking for the line that calls it, which no entry shows."""
    if LOGGER.isEnabledFor(level):
        LOGGER.handle(LOGGER.makeRecord(LOGGER.name, level, "", 0, event, (), None, extra={"fields": fields}))


def log_to_stderr() -> None:
    """The service's events and uvicorn's, as JSON lines; uvicorn's own access lines are left out, since the service writes fuller ones."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for logger, level in ((LOGGER, logging.INFO), (logging.getLogger("uvicorn"), logging.WARNING)):
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
