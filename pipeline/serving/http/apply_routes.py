"""POST /apply: a picture in, a picture back; and what it shares with the inference protocol: pictures in tiles through the queue.

A picture has one tile in the queue at a time, and takes its turn with all others for the next one: a large picture holds nobody up
longer than one tile takes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.arrays import Float32Array, UInt8Array
from pipeline.media.image.image import BadImage, decode, measure
from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.http.http_error import Refusal
from pipeline.serving.http.image_routes import Png, headers, png, responses
from pipeline.serving.http.loaded_model import Served
from pipeline.serving.http.openapi import errors
from pipeline.serving.http.service import Service
from pipeline.serving.http.v2_tensors import MOST_IN_JSON, Inference
from pipeline.serving.runtime.generator import LARGEST_SEED
from pipeline.serving.runtime.image_to_image import joined
from pipeline.serving.runtime.tiling import Tiles

BINARY = {"schema": {"type": "string", "format": "binary"}}
PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(("image/png", "image/jpeg", "application/octet-stream"), BINARY),
    }
}
CLOSED = 499
"""The status that the log shows where the client left before its answer."""


class Style(BaseModel):
    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(
        None, ge=0, le=LARGEST_SEED, description="The style, where the model has styles (drit), by default 0."
    )


def router(service: Service) -> APIRouter:
    found = APIRouter(tags=["pictures"])

    @found.post(
        "/apply", response_class=Png, responses={**responses(Png.media_type), **errors(408)}, openapi_extra=PICTURE
    )
    async def apply(asked: Annotated[Style, Query()], request: Request) -> Response:
        """An image-to-image model's result for the picture (PNG, JPEG, WebP, TIFF ...) that is the body, as PNG. Large ones go through in tiles."""
        served = service.keeper.served
        transformer = served.transformer
        style = transformer.style(asked.seed) if transformer.styles or asked.seed is not None else None
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise Refusal(415, "send the picture itself as the body, not a form: curl --data-binary @photo.jpg")
        body = await request.body()
        began = time.perf_counter()
        with service.admitted(pixels(body, served, service.settings.max_pixels), served.tile):
            picture = await asyncio.to_thread(read, body, served, service.settings.max_pixels)
            tiles = transformer.tiles(picture, served.tile)
            await in_time(through(service, served, tiles, style, request.is_disconnected), service.settings.timeout)
            seconds = time.perf_counter() - began
            return Png(await asyncio.to_thread(finished, tiles), headers=headers(served, seconds))

    return found


def pixels(body: bytes, served: Served, largest: int) -> int:
    """Pixels of the result. Raises Refusal for what is no picture, or too large."""
    try:
        width, height = measure(body)
    except BadImage as error:
        raise Refusal(400, f"the body is no picture: {error}") from None
    metadata = served.graph.metadata
    if width * height > served.transformer.target(largest).max_pixels:
        times = f", {metadata.scale} times larger" if metadata.scale > 1 else ""
        raise Refusal(
            413,
            f"a picture of {width} x {height} pixels{times}: a result may have {largest:,} here; send a smaller one",
        )
    return width * height * metadata.scale**2


def read(body: bytes, served: Served, largest: int) -> UInt8Array:
    """Raises Refusal for what cannot be decoded."""
    try:
        return decode(body, served.transformer.target(largest)).pixels
    except BadImage as error:
        raise Refusal(400, f"the body is no picture: {error}") from None


def finished(tiles: Tiles) -> bytes:
    return png(joined(tiles.bands)[None], None)


async def in_time(work: Awaitable[None], seconds: float) -> None:
    """Raises Refusal when the work takes longer."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise Refusal(
            503, f"not done within {seconds:g} s; send a smaller picture, or have the service's --timeout raised", 1
        ) from None


async def through(
    service: Service, served: Served, tiles: Tiles, style: Float32Array | None, gone: Callable[[], Awaitable[bool]]
) -> None:
    """Has the pieces drawn, one after the other; who has left is not waited for."""
    piece = tiles.step()
    while piece is not None:
        drawn = await service.batcher.draw(served, served.transformer.inputs(piece, style))
        piece = await asyncio.to_thread(tiles.step, drawn["images"])
        if piece is not None and await gone():
            raise Refusal(CLOSED, "the client has left")


async def transformed(
    service: Service, served: Served, asked: Inference, gone: Callable[[], Awaitable[bool]]
) -> Arrays:
    """The outputs of a protocol's request to a model that takes pictures of any size. Raises Refusal for too large ones."""
    images: npt.NDArray[Any] = asked.inputs["image"]
    result = images.shape[0] * images.shape[2] * images.shape[3] * served.graph.metadata.scale**2
    if result > service.settings.max_pixels:
        raise Refusal(
            413,
            f"{result} pixels: the results of one request may have {service.settings.max_pixels:,} here; send fewer, or smaller pictures",
        )
    if result * images.shape[1] > MOST_IN_JSON and not all(asked.outputs.values()):
        raise Refusal(
            400,
            f"{result * images.shape[1]} numbers are too many for JSON; ask for binary data (`binary_data_output`), or POST a picture to /apply",
        )
    styles: Mapping[int, Float32Array] = dict(enumerate(asked.inputs["z"][:, None])) if "z" in asked.inputs else {}
    done = []
    with service.admitted(result, served.tile):
        for index, image in enumerate(images):
            tiles = served.transformer.exact_tiles(image, served.tile)
            await in_time(through(service, served, tiles, styles.get(index), gone), service.settings.timeout)
            done.append(joined(tiles.bands, axis=1))
    return {"images": np.stack(done)}
