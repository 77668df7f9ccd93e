"""Endpoints people like: a picture, a sheet, a loop, by seed."""

import asyncio
import io
import time
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.arrays import Float32Array, Int64Array, UInt8Array
from pipeline.media.image.preview import grid
from pipeline.serving.http.loaded_model import Served, conditions
from pipeline.serving.http.openapi import errors
from pipeline.serving.http.service import Service
from pipeline.serving.runtime.generator import LARGEST_PSI, Generator, to_uint8
from pipeline.serving.runtime.image_to_image import Transformer
from pipeline.serving.runtime.interpolation import loop, spherical
from pipeline.serving.runtime.sample_files import FRAME_MS, columns_of, frames, image

LARGEST_SEED = 2**64 - 1
MOST_LABELS = 64


def router(service: Service) -> APIRouter:
    """/image.png, /interpolate.gif and /model.json."""
    most = service.settings.max_images

    class Asked(BaseModel):
        model_config = ConfigDict(extra="forbid")

        seed: int = Field(0, ge=0, le=LARGEST_SEED, description="The same seed gives the same pictures.")
        label: list[Annotated[str, Field(max_length=200)]] = Field(
            [], max_length=MOST_LABELS, description="Classes by name or index, taken in turn; by default all."
        )
        psi: float | None = Field(
            None,
            ge=0,
            le=LARGEST_PSI,
            description="Truncation (stylegan2): 0 is the average picture, 1 truncates nothing.",
        )

    class Picture(Asked):
        n: int = Field(
            1,
            ge=1,
            le=most,
            description="Pictures. One comes in its own size, several as the sheet that `ganline sample` makes.",
        )
        columns: int | None = Field(
            None, ge=1, le=most, description="Columns of the sheet; by default one a class, or as square as it gets."
        )
        towards: int | None = Field(
            None, ge=0, le=LARGEST_SEED, description="A second seed: the latents are `mix` of the way to its own."
        )
        mix: float = Field(0.5, ge=0, le=1, description="How far towards the second seed.")

    class Loop(Asked):
        n: int = Field(4, ge=2, le=most, description="Latents that the loop goes through, and back to the first.")
        steps: int = Field(12, ge=2, le=most, description="Frames from one latent to the next.")

    found = APIRouter(tags=["pictures"])

    @found.get("/image.png", response_class=Png, responses=answers(Png.media_type))
    async def image_png(asked: Annotated[Picture, Query()]) -> Response:
        """The pictures of a seed, as PNG. A picture depends on the seed, its place, label and psi alone."""
        served = service.keeper.served
        labels, psi = served.generator.labels(asked.label), served.generator.psi(asked.psi)
        z = served.generator.latents(asked.seed, 0, asked.n)
        if asked.towards is not None:
            ends = served.generator.latents(asked.towards, 0, asked.n)
            z = np.concatenate([spherical(start, end, [asked.mix]) for start, end in zip(z, ends, strict=True)])
        pictures, seconds = await draw(service, served, z, labels, psi)
        columns = columns_of(asked.columns, len(labels))
        return Png(await asyncio.to_thread(png, pictures, columns), headers=told(served, seconds))

    @found.get("/interpolate.gif", response_class=Gif, responses=answers(Gif.media_type))
    async def interpolate_gif(asked: Annotated[Loop, Query()]) -> Response:
        """The way through the first latents of a seed and back, as a GIF that loops; labels side by side, by default as many as a request may have."""
        served = service.keeper.served
        labels, psi = served.generator.labels(asked.label), served.generator.psi(asked.psi)
        if not asked.label:
            labels = labels[: max(1, most // (asked.n * asked.steps))]
        shown = max(1, len(labels))
        service.allow(asked.n * asked.steps * shown)
        z = loop(served.generator.latents(asked.seed, 0, asked.n), asked.steps).repeat(shown, axis=0)
        pictures, seconds = await draw(service, served, z, labels, psi)
        return Gif(await asyncio.to_thread(gif, pictures, shown), headers=told(served, seconds))

    @found.get("/model.json", responses=errors())
    async def model_json() -> Model:
        """What is served: enough to build a page on."""
        served = service.keeper.served
        model, metadata = served.model, served.graph.metadata
        return Model(
            name=served.name,
            version=served.version,
            provider=served.graph.provider,
            variant=metadata.variant,
            resolution=metadata.resolution,
            classes=model.classes if isinstance(model, Generator) else [],
            psi="psi" in served.graph.inputs,
            dataset=metadata.dataset_name,
            verdict=metadata.verdict,
            max_images=most,
            task=metadata.task,
            takes="latents" if isinstance(model, Generator) else "pictures",
            styles=isinstance(model, Transformer) and model.styles,
            scale=metadata.scale,
            max_pixels=service.settings.max_pixels,
            max_body=service.settings.max_body,
        )

    return found


class Model(BaseModel):
    """What a client must know of the model. One that takes pictures answers /apply, one that takes latents the others."""

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
    media_type = "image/png"


class Gif(Response):
    media_type = "image/gif"


def answers(media_type: str | None) -> dict[int | str, dict[str, Any]]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"content": {str(media_type): binary}}, **errors(400, 422, 429, 503)}


async def draw(
    service: Service, served: Served, z: Float32Array, labels: Int64Array, psi: float
) -> tuple[UInt8Array, float]:
    """The pictures of latents, uint8 [n, H, W, C], and the seconds it took, the queue's included."""
    began = time.perf_counter()
    drawn = await service.batcher.draw(served, {"z": z, **conditions(served.generator, len(z), labels, psi)})
    return to_uint8(drawn["images"]), time.perf_counter() - began


def told(served: Served, seconds: float) -> dict[str, str]:
    return {
        "Cache-Control": "no-cache",
        "X-Model-Version": served.version,
        "Server-Timing": f"draw;dur={1000 * seconds:.2f}",
    }


def png(pictures: UInt8Array, columns: int | None) -> bytes:
    buffer = io.BytesIO()
    (image(pictures[0]) if len(pictures) == 1 else grid(pictures, columns)).save(buffer, "PNG")
    return buffer.getvalue()


def gif(pictures: UInt8Array, shown: int) -> bytes:
    buffer = io.BytesIO()
    first, *rest = frames(pictures, shown, columns_of(None, shown))
    first.save(buffer, "GIF", save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
    return buffer.getvalue()
