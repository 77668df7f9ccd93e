"""Settings of the export stage and of the HTTP service."""

from pydantic import Field, SecretStr

from pipeline.serving.runtime.session import Provider
from pipeline.serving.runtime.tiling import OVERLAP, TILE
from pipeline.settings import Settings


class ExportSettings(Settings):
    """Export of the graph, and the conditions it must meet."""

    opset: int = Field(20, ge=18, le=23, description="ONNX opset version")
    parity_tolerance: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="difference between PyTorch and ONNX Runtime in units of the [-1, 1] range, at most",
    )
    allow_failed: bool = Field(
        False, description="export even if the verdict is fail; the model card then says that the gate failed"
    )
    vocoder: str | None = Field(
        None,
        min_length=1,
        description="models/ folder of a trained vocoder (hifigan), which makes the sound of spectrograms in the place "
        "of Griffin-Lim; audio only",
    )


class ServeSettings(Settings):
    """Address and limits of `ganline serve`; set on its command line."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 accepts other machines")
    port: int = Field(8000, ge=0, le=65535, description="0 takes a free port, which the first log line shows")
    provider: Provider = Field("auto", description="where ONNX Runtime computes; auto uses CUDA if there is a GPU")
    strict_provider: bool = Field(False, description="exit with code 2 if another provider than --provider would run")
    threads: int | None = Field(
        None,
        ge=1,
        description="threads that compute on the CPU; by default the physical cores, or fewer if CPU affinity or the "
        "quota of a container allows fewer CPUs",
    )
    max_batch: int = Field(64, ge=1, le=4096, description="images in one run of the model")
    max_delay_ms: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="longest wait of a request for others to share its batch; "
        "at 0 a batch contains what arrived during the previous run",
    )
    max_queue: int = Field(1024, ge=1, description="images that may wait; beyond that requests get status 429")
    max_images: int = Field(256, ge=1, description="images in one request")
    max_body: int = Field(8 * 2**20, ge=1024, description="bytes of one request's body, decompressed")
    max_connections: int = Field(
        512, ge=1, description="open connections; beyond that requests except health probes get status 503"
    )
    max_pixels: int = Field(
        50_000_000,
        ge=4096,
        description="pixels of one transformed image; in the queue, every tile of it counts as an image",
    )
    tile: int = Field(TILE, ge=3 * OVERLAP, description="side of the tiles that large images are processed in")
    timeout: float = Field(
        30.0,
        ge=0.1,
        description="seconds until a request is given up, or a connection whose client does not read its response",
    )
    drain_seconds: float = Field(
        0.0,
        ge=0,
        description="seconds after SIGTERM in which new connections are still served while readiness answers 503; "
        "a load balancer then finds another server",
    )
    grace_seconds: float = Field(
        9.0,
        ge=1,
        description="longest time from SIGTERM to the end of the process, --drain-seconds included; "
        "keep it below the time after which the process is killed: Docker's is 10 s, that of Kubernetes 30 s",
    )
    poll: float = Field(5.0, ge=0.05, description="seconds between checks of the model's file or alias")
    accept_changes: bool = Field(
        False, description="also load a new model whose inputs, outputs or class indices differ from the served one's"
    )
    cors_origin: list[str] = Field(
        [],
        description="origin of web pages that may call the service from a browser, such as https://app.example.com, "
        "or * for all; repeat it for several",
    )
    token: SecretStr | None = None
