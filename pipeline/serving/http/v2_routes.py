"""Metadata and health endpoints of the Open Inference Protocol (v2, REST) for clients of KServe, Triton and Seldon."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter

from pipeline import __version__
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.openapi_errors import error_responses
from pipeline.serving.http.v2_tensors import model_metadata, no_shared_memory

NOT_FOUND: dict[str, Any] = {"responses": error_responses(404)}
NOT_READY: dict[str, Any] = {"responses": error_responses(404, 503)}


def v2_router(service: InferenceService) -> APIRouter:
    """Return the routes below /v2."""
    routes = APIRouter(prefix="/v2", tags=["Open Inference Protocol"])

    @routes.get("", responses=error_responses())
    async def server_metadata() -> dict[str, Any]:
        """Name, version and protocol extensions of the server; `refused` is a newer model that it does not serve."""
        refused = service.reloader.refused
        return {
            "name": "ganline",
            "version": __version__,
            "extensions": ["binary_tensor_data"],
            **({"refused": asdict(refused)} if refused else {}),
        }

    @routes.get("/health/live")
    async def live() -> dict[str, bool]:
        """200 while the process responds."""
        return {"live": True}

    @routes.get("/health/ready", responses=error_responses(503))
    async def ready() -> dict[str, bool]:
        """200 from the start, because the port opens after the warm-up, until the shutdown begins."""
        service.check_ready()
        return {"ready": True}

    @routes.get("/models/{model}", **NOT_FOUND)
    async def get_model(model: str) -> dict[str, Any]:
        """Inputs, outputs and version of the model."""
        return model_metadata(service.model(model))

    @routes.get("/models/{model}/versions/{version}", **NOT_FOUND)
    async def get_version(model: str, version: str) -> dict[str, Any]:
        """The same if that version is served."""
        return model_metadata(service.model(model, version))

    @routes.get("/models/{model}/ready", **NOT_READY)
    async def model_ready(model: str) -> dict[str, Any]:
        """200 if the model is ready, as of /v2/health/ready."""
        service.check_ready()
        return {"name": service.model(model).name, "ready": True}

    @routes.get("/models/{model}/versions/{version}/ready", **NOT_READY)
    async def version_ready(model: str, version: str) -> dict[str, Any]:
        """The same if that version is served."""
        service.check_ready()
        return {"name": service.model(model, version).name, "ready": True}

    async def shared_memory() -> None:
        """Refuse Triton's shared memory."""
        raise no_shared_memory()

    for kind in ("systemsharedmemory", "cudasharedmemory"):
        routes.add_api_route(f"/{kind}/{{rest:path}}", shared_memory, methods=["GET", "POST"], include_in_schema=False)
    return routes
