"""What the Open Inference Protocol (v2, REST) says of the server and its model: KServe's, Triton's and Seldon's clients speak it."""

from typing import Any

from fastapi import APIRouter

from pipeline import __version__
from pipeline.serving.http.openapi import errors
from pipeline.serving.http.service import Service
from pipeline.serving.http.v2_tensors import metadata

NAMED: dict[str, Any] = {"responses": errors(404)}


def router(service: Service) -> APIRouter:
    """/v2 and what is below it."""
    found = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @found.get("", responses=errors())
    async def server_metadata() -> dict[str, Any]:
        """Who answers, and what it understands."""
        return {"name": "ganline", "version": __version__, "extensions": ["binary_tensor_data"]}

    @found.get("/health/live")
    async def live() -> dict[str, bool]:
        """200 while the process answers."""
        return {"live": True}

    @found.get("/health/ready")
    async def ready() -> dict[str, bool]:
        """200 when a warmed-up model is served: always, since the service opens its port only then."""
        return {"ready": True}

    @found.get("/models/{model}", **NAMED)
    async def model_metadata(model: str) -> dict[str, Any]:
        """Inputs, outputs and the version that is served."""
        return metadata(service.named(model))

    @found.get("/models/{model}/versions/{version}", **NAMED)
    async def version_metadata(model: str, version: str) -> dict[str, Any]:
        """The same, if that version is served."""
        return metadata(service.named(model, version))

    @found.get("/models/{model}/ready", **NAMED)
    async def model_ready(model: str) -> dict[str, Any]:
        """200 when the model can be asked."""
        return {"name": service.named(model).name, "ready": True}

    @found.get("/models/{model}/versions/{version}/ready", **NAMED)
    async def version_ready(model: str, version: str) -> dict[str, Any]:
        """The same, if that version is served."""
        return {"name": service.named(model, version).name, "ready": True}

    return found
