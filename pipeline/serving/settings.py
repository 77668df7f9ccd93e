"""What can be set about the export."""

from pydantic import Field

from pipeline.settings import Settings


class ExportSettings(Settings):
    """The exported graph and what it must hold."""

    opset: int = Field(20, ge=18, le=23)
    parity_tolerance: float = Field(1e-3, gt=0, lt=1, description="largest difference between PyTorch and ONNX Runtime, in units of the [-1, 1] range")
    allow_failed: bool = Field(False, description="export although the verdict is fail; the model card says so")
