"""Endpoints that return images by seed: one image, a sheet, a loop. And the description of the model."""

import asyncio
import io
import time
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.media.image.preview import grid
from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, Arrays, take_in_turn
from pipeline.serving.http.image_queries import ImageQuery, LoopQuery, bounded_query
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.openapi_errors import error_responses
from pipeline.serving.runtime.generator import Generator, to_uint8
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.runtime.interpolation import loop, spherical
from pipeline.serving.runtime.sample_files import FRAME_MS, frames, image, sheet_columns, turns


class ModelDescription(BaseModel):
    """Description of the model. A model that takes images is used through /apply, one that takes latents by seed."""

    name: str
    version: str
    provider: str
    variant: str
    resolution: int
    classes: list[str]
    psi: bool
    dataset: str
    verdict: str
    max_images: int
    task: str
    takes: Literal["latents", "pictures"]
    styles: bool
    scale: int
    max_pixels: int
    max_body: int


class Png(Response):
    """A PNG image."""

    media_type = "image/png"


class Gif(Response):
    """An animated GIF."""

    media_type = "image/gif"


def image_router(service: InferenceService) -> APIRouter:
    """Return the routes /image.png, /interpolate.gif and /model.json."""
    routes = APIRouter(tags=["images"])
    largest = service.settings.max_images
    image_query, loop_query = bounded_query(ImageQuery, largest), bounded_query(LoopQuery, largest)

    @routes.get("/image.png", response_class=Png, responses=result_responses(Png.media_type))
    async def image_png(query: Annotated[image_query, Query()]) -> Response:  # type: ignore[valid-type]
        """Images of a seed, as PNG. An image depends only on the seed, its index and its conditions."""
        return await generate_image(service, query)

    @routes.get("/interpolate.gif", response_class=Gif, responses=result_responses(Gif.media_type))
    async def interpolate_gif(query: Annotated[loop_query, Query()]) -> Response:  # type: ignore[valid-type]
        """A looping GIF through the first latents of a seed. A frame shows all conditions that fit into a request."""
        return await generate_loop(service, query)

    @routes.get("/model.json", responses=error_responses())
    async def model_json() -> ModelDescription:
        """Description of the served model: everything that a page needs."""
        return describe_model(service)

    return routes


async def generate_image(service: InferenceService, query: ImageQuery) -> Response:
    """Return one image, or a sheet of several."""
    loaded = service.current
    generator = loaded.generator
    conditions = generator.conditions(**query.conditions)
    z = generator.latents(query.seed, 0, query.n)
    if query.towards is not None:
        ends = generator.latents(query.towards, 0, query.n)
        z = np.concatenate([spherical(start, end, [query.mix]) for start, end in zip(z, ends, strict=True)])
    images, seconds = await generate(service, loaded, z, conditions)
    columns = sheet_columns(query.columns, turns(conditions))
    return Png(await asyncio.to_thread(encode_png, images, columns), headers=result_headers(loaded, seconds))


async def generate_loop(service: InferenceService, query: LoopQuery) -> Response:
    """Return an animation. Without chosen conditions it shows as many as a request may have images for."""
    loaded = service.current
    generator = loaded.generator
    conditions = generator.conditions(**query.conditions)
    most = max(1, service.settings.max_images // (query.n * query.steps))
    omitted = {TENSOR_OF_CONTROL[name] for name, value in query.conditions.items() if not value}
    conditions = {name: rows[:most] if name in omitted else rows for name, rows in conditions.items()}
    per_frame = turns(conditions)
    service.check_images(query.n * query.steps * per_frame)
    z = loop(generator.latents(query.seed, 0, query.n), query.steps).repeat(per_frame, axis=0)
    images, seconds = await generate(service, loaded, z, conditions)
    return Gif(await asyncio.to_thread(encode_gif, images, per_frame), headers=result_headers(loaded, seconds))


def describe_model(service: InferenceService) -> ModelDescription:
    """Return the description of the model that is served now."""
    loaded = service.current
    model, metadata = loaded.model, loaded.graph.metadata
    return ModelDescription(
        name=loaded.name,
        version=loaded.version,
        provider=loaded.graph.provider,
        variant=metadata.variant,
        resolution=metadata.item.height,
        classes=model.classes if isinstance(model, Generator) else [],
        psi="psi" in loaded.graph.inputs,
        dataset=metadata.dataset_name,
        verdict=metadata.verdict,
        max_images=service.settings.max_images,
        task=metadata.task,
        takes="latents" if isinstance(model, Generator) else "pictures",
        styles=isinstance(model, ImageToImage) and model.styles,
        scale=metadata.scale,
        max_pixels=service.settings.max_pixels,
        max_body=service.settings.max_body,
    )


def result_responses(media_type: str | None) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that returns a file."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {str(media_type): binary}}, **error_responses(400, 422, 429, 503)}


async def generate(
    service: InferenceService, loaded: LoadedModel, z: Float32Array, conditions: Arrays
) -> tuple[UInt8Array, float]:
    """Return the images of latents, uint8 [n, H, W, C], and the seconds that took, including the queue."""
    began = time.perf_counter()
    inputs = {"z": z, **take_in_turn(conditions, len(z))}
    outputs = await service.batcher.run(loaded, {name: inputs[name] for name in loaded.graph.inputs})
    return to_uint8(outputs["images"]), time.perf_counter() - began


def result_headers(loaded: LoadedModel, seconds: float) -> dict[str, str]:
    """Return the headers of a generated file."""
    return {
        "Cache-Control": "no-cache",
        "X-Model-Version": loaded.version,
        "Server-Timing": f"draw;dur={1000 * seconds:.2f}",
    }


def encode_png(images: UInt8Array, columns: int | None) -> bytes:
    """Encode one image as it is, several as a sheet."""
    buffer = io.BytesIO()
    (image(images[0]) if len(images) == 1 else grid(images, columns)).save(buffer, "PNG")
    return buffer.getvalue()


def encode_gif(images: UInt8Array, per_frame: int) -> bytes:
    """Encode images as an animation."""
    buffer = io.BytesIO()
    first, *rest = frames(images, per_frame, sheet_columns(None, per_frame))
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
    return buffer.getvalue()
