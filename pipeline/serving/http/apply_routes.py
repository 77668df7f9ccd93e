"""POST /apply: transform an image. Large images pass the queue as tiles, those of the inference protocol too.

An image has only one tile in the queue at a time. It delays other requests by no more than the time of one tile.
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from pipeline.arrays import Items
from pipeline.media.codec import BadItem, Encoded, TransformInput
from pipeline.media.pictures import encode_picture
from pipeline.serving.graph_tensors import Arrays
from pipeline.serving.http.image_routes import Png, result_headers
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.openapi_errors import error_responses, result_responses
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.http.v2_tensors import LARGEST_JSON, InferenceRequest
from pipeline.serving.runtime.generator import LARGEST_SEED
from pipeline.serving.runtime.image_to_image import TileSize, draw_strip, join
from pipeline.serving.runtime.tiling import Tiles

MOST_FRAMES = 256
"""Most frames that one request predicts."""

BINARY = {"schema": {"type": "string", "format": "binary"}}
IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(("image/png", "image/jpeg", "application/octet-stream"), BINARY),
    }
}


class ApplyQuery(BaseModel):
    """Parameters of /apply."""

    model_config = ConfigDict(extra="forbid")

    seed: int | None = Field(
        None, ge=0, le=LARGEST_SEED, description="Style of the result, if the model has styles; 0 by default."
    )
    label: str | None = Field(
        None,
        max_length=200,
        description="Class to translate to, by name or index, if the model has classes; `all` returns a picture of the "
        "input and its translation to each class.",
    )
    element: Literal["before", "after"] | None = Field(
        None,
        description="Return the HTML element that shows the item as the model reads it, or the result, as on the page.",
    )
    frames: int | None = Field(
        None, ge=1, le=MOST_FRAMES, description="Frames to predict after those of a clip; 8 by default."
    )


def apply_router(service: InferenceService) -> APIRouter:
    """Return the route /apply."""
    routes = APIRouter(tags=["images"])
    responses = {**result_responses(Png.media_type, "text/html"), **error_responses(408)}

    @routes.post("/apply", response_class=Png, responses=responses, openapi_extra=IMAGE_BODY)
    async def apply(query: Annotated[ApplyQuery, Query()], request: Request) -> Response:
        """Transform the item in the body: an image (PNG, JPEG, WebP, TIFF ...) to PNG, a recording to WAV,
        a clip to a longer GIF, or a melody (MIDI) to a piece.

        Large images are tiled, and long recordings are processed in windows.
        Transparency, EXIF data and resolution are kept. The header X-Lost says what was not.
        """
        return await transform_body(service, query, request)

    return routes


async def transform_body(service: InferenceService, query: ApplyQuery, request: Request) -> Response:
    """Return the result for the image in the body of a request."""
    loaded, settings = service.current, service.settings
    choices = loaded.transform.choices(query.seed, query.label)
    encode = encode_strip if loaded.transform.asks_for_all(query.label) else encode_result
    if request.headers.get("content-type", "").startswith("multipart/"):
        raise RequestError(415, "send the image as the body, not in a form: curl --data-binary @photo.jpg")
    body = await request.body()
    began = time.perf_counter()
    pixels = result_pixels(body, loaded, settings.max_pixels // len(choices))
    with service.reserve(pixels * len(choices), loaded.tile):
        source = await asyncio.to_thread(decode_body, body, loaded, settings.max_pixels)
        if query.element == "before":
            return await show(loaded, source.values)
        every = [loaded.transform.tiles(source.values, TileSize(loaded.tile, frames=query.frames)) for _ in choices]
        await with_timeout(run_choices(service, loaded, every, choices), settings.timeout)
        seconds = time.perf_counter() - began
        if query.element == "after":
            return await show(loaded, join(every[0].bands))
        file = await asyncio.to_thread(encode, loaded, every, source)
        headers = result_headers(loaded, seconds) | loss_header(file)
        return Response(file.data, headers=headers, media_type=file.mime_type)


async def show(loaded: LoadedModel, values: Items) -> Response:
    """Return the element that shows an item [H, W, C]."""
    element = await asyncio.to_thread(loaded.graph.medium.html, values, loaded.graph.metadata.item)
    return Response(element, media_type="text/html")


async def run_choices(
    service: InferenceService, loaded: LoadedModel, every: Sequence[Tiles], choices: Sequence[Arrays]
) -> None:
    """Compute the tiles of each choice of conditions, one choice after the other."""
    for tiles, conditions in zip(every, choices, strict=True):
        await run_tiles(service, loaded, tiles, conditions)


def result_pixels(body: bytes, loaded: LoadedModel, largest: int) -> int:
    """Return the number of pixels of the result. Raises RequestError for a body that is no image or too large."""
    scale = loaded.graph.metadata.scale
    try:
        height, width = loaded.transform.result_size(body)
    except BadItem as error:
        raise unreadable(loaded, error) from None
    if height * width > largest:
        times = f", {scale} times larger" if scale > 1 else ""
        raise RequestError(
            413,
            f"an image of {width // scale} x {height // scale} pixels{times}: the result may have at most {largest:,} "
            "pixels. Send a smaller one.",
        )
    return height * width


def decode_body(body: bytes, loaded: LoadedModel, largest: int) -> TransformInput:
    """Decode the body as the model takes it. Raises RequestError if that is not possible."""
    try:
        return loaded.transform.decode(body, largest)
    except BadItem as error:
        raise unreadable(loaded, error) from None


def unreadable(loaded: LoadedModel, error: BadItem) -> RequestError:
    """Return the error for a body that the medium cannot read."""
    noun = loaded.graph.medium.noun
    return RequestError(400, f"the body is not {'an' if noun[0] in 'aeiou' else 'a'} {noun}: {error}")


def encode_result(loaded: LoadedModel, every: Sequence[Tiles], source: TransformInput) -> Encoded:
    """Return the finished item in the medium's default format."""
    return loaded.transform.encode(join(every[0].bands), source)


def encode_strip(loaded: LoadedModel, every: Sequence[Tiles], source: TransformInput) -> Encoded:
    """Return the item and its translations to all classes in one row, as PNG."""
    picture = draw_strip(loaded.transform, source, [join(tiles.bands) for tiles in every])
    return Encoded(encode_picture(picture, ".png"), Png.media_type, ".png")


def loss_header(file: Encoded) -> dict[str, str]:
    """Return the header that says what the result lost; none if it lost nothing."""
    text = "; ".join(file.losses).encode("ascii", "replace").decode()
    return {"X-Lost": "".join(letter for letter in text if letter.isprintable())} if text else {}


async def with_timeout(work: Awaitable[None], seconds: float) -> None:
    """Raise RequestError if the work takes longer."""
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        raise RequestError(
            503, f"not finished within {seconds:g} s. Send a smaller image, or raise --timeout of the service.", 1
        ) from None


async def run_tiles(service: InferenceService, loaded: LoadedModel, tiles: Tiles, conditions: Arrays) -> None:
    """Compute the tiles one after the other."""
    tile = tiles.step()
    while tile is not None:
        output = loaded.graph.items_output
        outputs = await service.batcher.run(loaded, loaded.transform.inputs(tile, conditions), (output,))
        tile = await asyncio.to_thread(tiles.step, outputs[output])


async def transform_tensors(service: InferenceService, loaded: LoadedModel, request: InferenceRequest) -> Arrays:
    """Return the outputs of a protocol request to a model for images of any size.

    Raises RequestError if the images are too large.
    """
    item = loaded.graph.item_input
    images = request.inputs[item]
    pixels = images.shape[0] * images.shape[2] * images.shape[3] * loaded.graph.metadata.scale**2
    if pixels > service.settings.max_pixels:
        raise RequestError(
            413,
            f"{pixels} pixels: the results of one request may have at most {service.settings.max_pixels:,}. Send fewer "
            "or smaller images.",
        )
    if pixels * images.shape[1] > LARGEST_JSON and not all(request.outputs.values()):
        raise RequestError(
            400,
            f"{pixels * images.shape[1]} numbers are too many for JSON. Request binary data (`binary_data_output`), or "
            "POST an image to /apply.",
        )
    results = []
    with service.reserve(pixels, loaded.tile):
        for index, image in enumerate(images):
            conditions = {name: rows[index : index + 1] for name, rows in request.inputs.items() if name != item}
            tiles = loaded.transform.float_tiles(image, TileSize(loaded.tile))
            work = run_tiles(service, loaded, tiles, conditions)
            await with_timeout(work, service.settings.timeout)
            results.append(join(tiles.bands, axis=1))
    return {loaded.graph.items_output: np.stack(results)}
