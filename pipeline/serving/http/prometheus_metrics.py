"""Metrics of the service for Prometheus."""

import functools
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipeline.serving.http.loaded_model import LoadedModel

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The service's metrics in their own registry. Label values come from fixed sets, never from a client."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter("ganline_requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.seconds = Histogram(
            "ganline_request_seconds",
            "Time from the start of a request to the end of its response.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.images = Counter(
            "ganline_images", "Images computed; every tile of a large image counts.", registry=self.registry
        )
        self.batches = Histogram(
            "ganline_batch_images",
            "Images in one run of the model.",
            buckets=[2.0**k for k in range(11)],
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "ganline_batch_seconds", "Duration of one run of the model.", buckets=SECONDS, registry=self.registry
        )
        self.queue = Gauge("ganline_queue_images", "Images waiting in the queue.", registry=self.registry)
        self.swaps = Counter(
            "ganline_model_swaps",
            "New models: served, rolled_back because they could not be used, or refused because their contract "
            "differs.",
            ["result"],
            registry=self.registry,
        )
        self.model = Gauge(
            "ganline_model_info",
            "1 for the model in use.",
            ["name", "version", "sha256", "variant", "provider"],
            registry=self.registry,
        )
        for result in ("served", "rolled_back", "refused"):
            self.swaps.labels(result)

    @functools.cache  # noqa: B019 - one instance per process, and few routes
    def request_metrics(self, route: str, status: int) -> tuple[Counter, Histogram]:
        """Return the counter and the histogram of a route."""
        return self.requests.labels(route, str(status)), self.seconds.labels(route)

    def watch_queue(self, images: Callable[[], int]) -> None:
        """Report the number of waiting images that `images` returns."""
        self.queue.set_function(images)

    def record_batch(self, images: int, seconds: float) -> None:
        """Record one run of the model."""
        self.images.inc(images)
        self.batches.observe(images)
        self.batch_seconds.observe(seconds)

    def record_request(self, route: str, status: int, seconds: float) -> None:
        """Record one answered request."""
        requests, durations = self.request_metrics(route, status)
        requests.inc()
        durations.observe(seconds)

    def record_model(self, loaded: LoadedModel) -> None:
        """Report the model in use."""
        self.model.clear()
        self.model.labels(
            loaded.name, loaded.version, loaded.sha256, loaded.graph.metadata.variant, loaded.graph.provider
        ).set(1)

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format."""
        return generate_latest(self.registry)
