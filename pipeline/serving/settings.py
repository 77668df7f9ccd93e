"""What can be set about the export and the service."""

from pydantic import Field, SecretStr

from pipeline.serving.runtime.session import Provider
from pipeline.serving.runtime.tiling import OVERLAP, TILE
from pipeline.settings import Settings


class ExportSettings(Settings):
    """The exported graph and what it must hold."""

    opset: int = Field(20, ge=18, le=23)
    parity_tolerance: float = Field(
        1e-3,
        gt=0,
        lt=1,
        description="largest difference between PyTorch and ONNX Runtime, in units of the [-1, 1] range",
    )
    allow_failed: bool = Field(False, description="export although the verdict is fail; the model card says so")


class ServeSettings(Settings):
    """How `ganline serve` listens and what it allows; set on its command line."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    provider: Provider = "auto"
    strict_provider: bool = False
    max_batch: int = Field(64, ge=1, le=4096, description="images that the model draws at once")
    max_delay_ms: float = Field(
        0.0,
        ge=0,
        le=10_000,
        description="how long a request waits for others to share its batch; at 0 those share it that came while the last was drawn",
    )
    max_queue: int = Field(1024, ge=1, description="images that may wait; beyond them requests get 429")
    max_images: int = Field(256, ge=1, description="images in one request")
    max_body: int = Field(8 * 2**20, ge=1024, description="bytes of one request's body")
    max_pixels: int = Field(
        50_000_000,
        ge=4096,
        description="pixels of the result of one picture; those of all that are under way count as images, one a tile",
    )
    tile: int = Field(TILE, ge=3 * OVERLAP, description="side of the pieces that large pictures go through in")
    timeout: float = Field(30.0, gt=0, description="seconds until a request is given up")
    poll: float = Field(5.0, gt=0, description="seconds between looks at the model's file or alias")
    token: SecretStr | None = None
