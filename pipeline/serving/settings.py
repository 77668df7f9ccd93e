"""Settings of the export stage and of the HTTP service."""

from pydantic import Field, SecretStr

from pipeline.serving.runtime.session import Provider
from pipeline.serving.runtime.tiling import OVERLAP, TILE
from pipeline.settings import Settings


class ExportSettings(Settings):
    """The ONNX graph and its requirements."""

    opset: int = Field(20, ge=18, le=23, description="ONNX opset version")
    parity_tolerance: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="difference between PyTorch and ONNX Runtime in units of the [-1, 1] range, maximum",
    )
    allow_failed: bool = Field(
        False, description="export even if the verdict is fail; the model card then says that the gate failed"
    )


class ServeSettings(Settings):
    """Settings of `ganline serve`; set on its command line."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 chooses a free one")
    provider: Provider = Field("auto", description="ONNX Runtime execution provider; auto: CUDA if available")
    strict_provider: bool = Field(False, description="fail instead of falling back to the CPU")
    max_batch: int = Field(64, ge=1, le=4096, description="dynamic batching: images per batch, maximum")
    max_delay_ms: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="dynamic batching: time a request waits for others in ms; "
        "0: requests that arrive while a batch runs form the next one",
    )
    max_queue: int = Field(1024, ge=1, description="images waiting, maximum; further requests get 429")
    max_images: int = Field(256, ge=1, description="images per request, maximum")
    max_body: int = Field(8 * 2**20, ge=1024, description="size of a request body in bytes, maximum")
    max_pixels: int = Field(
        50_000_000,
        ge=4096,
        description="pixels of one output image, maximum; in the queue each tile of an image counts as one image",
    )
    tile: int = Field(TILE, ge=3 * OVERLAP, description="side of the tiles that large images are split into in pixels")
    timeout: float = Field(30.0, gt=0, description="request timeout in seconds")
    poll: float = Field(
        5.0, gt=0, description="hot reload: interval of the checks of the model file or alias in seconds"
    )
    token: SecretStr | None = Field(
        None, description="bearer token that requests must present; None: no authentication"
    )
