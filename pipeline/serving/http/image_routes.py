"""Endpoints that return items by seed: an item, a sheet, a loop. And the description of the model."""

import asyncio
import functools
import time
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, Response

from pipeline.arrays import Float32Array, Items
from pipeline.media.pictures import encode_picture
from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, Arrays, take_in_turn
from pipeline.serving.http.image_cache import cached_responses, revalidate
from pipeline.serving.http.image_queries import FileQuery, ImageQuery, ItemQuery, LoopQuery, bounded_query
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.http.model_description import ModelDescription, describe_model
from pipeline.serving.http.openapi_errors import error_responses
from pipeline.serving.http.request_error import RequestError
from pipeline.serving.runtime.generator import Graph
from pipeline.serving.runtime.interpolation import loop, spherical
from pipeline.serving.runtime.sample_files import FRAME_MS, draw, draw_frames, encode_joined, sheet_columns, turns

Suffix = Annotated[str, Path(min_length=1, max_length=10, description="Suffix of a format of the medium, such as mid.")]


class Png(Response):
    """A PNG image."""

    media_type = "image/png"


class Gif(Response):
    """An animated GIF."""

    media_type = "image/gif"


def image_router(service: InferenceService) -> APIRouter:
    """Return the routes /image.png, /interpolate.gif, /item, /item.html, /sample.SUFFIX and /model.json."""
    routes = APIRouter(tags=["images"])
    item_query, image_query, loop_query, file_query = (
        Annotated[bounded_query(query, service.settings.max_images), Query()]
        for query in (ItemQuery, ImageQuery, LoopQuery, FileQuery)
    )

    @routes.get("/image.png", response_class=Png, responses=cached_responses(Png.media_type))
    async def image_png(query: image_query, request: Request) -> Response:  # type: ignore[valid-type]
        """Items of a seed as a picture. An item depends only on the seed, its index and its conditions."""
        return await revalidate(service, request, query, generate_image)

    @routes.get("/interpolate.gif", response_class=Gif, responses=cached_responses(Gif.media_type))
    async def interpolate_gif(query: loop_query, request: Request) -> Response:  # type: ignore[valid-type]
        """A looping GIF through the first latents of a seed. A frame shows all conditions that fit into a request."""
        return await revalidate(service, request, query, generate_loop)

    @routes.get("/item", response_class=Response, responses=cached_responses("*/*"))
    async def item(query: item_query, request: Request) -> Response:  # type: ignore[valid-type]
        """The first item of a seed as a file of its medium."""
        return await revalidate(service, request, query, generate_file)

    @routes.get("/item.html", response_class=HTMLResponse, responses=cached_responses("text/html"))
    async def item_html(query: item_query, request: Request) -> Response:  # type: ignore[valid-type]
        """The first item of a seed as an HTML element."""
        return await revalidate(service, request, query, generate_html)

    @routes.get("/sample.{suffix}", response_class=Response, responses=cached_responses("*/*", 404))
    async def sample(suffix: Suffix, query: file_query, request: Request) -> Response:  # type: ignore[valid-type]
        """Items of a seed as a file of their medium, such as /sample.mid; several follow each other."""
        return await revalidate(service, request, query, functools.partial(generate_joined, suffix=f".{suffix}"))

    @routes.get("/model.json", responses=error_responses())
    async def model_json() -> ModelDescription:
        """Description of the served model: everything that a page needs."""
        return describe_model(service.current, service.settings)

    return routes


async def generate_file(service: InferenceService, loaded: LoadedModel, query: ItemQuery) -> Response:
    """Return one item as a file."""
    items, seconds = await generate_items(service, loaded, query, 1)
    file = loaded.graph.medium.encode(items[0], loaded.graph.result_item)
    return Response(file.data, media_type=file.mime_type, headers=result_headers(loaded, seconds))


async def generate_joined(service: InferenceService, loaded: LoadedModel, query: FileQuery, suffix: str) -> Response:
    """Return items as one file of a format of their medium."""
    if suffix not in loaded.graph.medium.formats:
        known = ", ".join(loaded.graph.medium.formats)
        raise RequestError(404, f"{loaded.graph.medium.noun}s of this model are no {suffix} files; known: {known}")
    items, seconds = await generate_items(service, loaded, query, query.n)
    file = await asyncio.to_thread(encode_joined, loaded.graph, items, suffix)
    return Response(file.data, media_type=file.mime_type, headers=result_headers(loaded, seconds))


async def generate_html(service: InferenceService, loaded: LoadedModel, query: ItemQuery) -> Response:
    """Return one item as an HTML element."""
    items, seconds = await generate_items(service, loaded, query, 1)
    html = await asyncio.to_thread(loaded.graph.medium.html, items[0], loaded.graph.result_item)
    return HTMLResponse(html, headers=result_headers(loaded, seconds))


async def generate_image(service: InferenceService, loaded: LoadedModel, query: ImageQuery) -> Response:
    """Return a picture of one item, or a sheet of several."""
    items, seconds = await generate_items(service, loaded, query, query.n)
    columns = sheet_columns(query.columns, turns(loaded.generator.conditions(**query.conditions)))
    picture = await asyncio.to_thread(encode_png, loaded.graph, items, columns)
    return Png(picture, headers=result_headers(loaded, seconds))


async def generate_items(
    service: InferenceService, loaded: LoadedModel, query: ItemQuery, n: int
) -> tuple[Items, float]:
    """Return the first n items of a query, and the seconds they took."""
    generator = loaded.generator
    conditions = generator.conditions(**query.conditions)
    z = generator.latents(query.seed, 0, n)
    if query.towards is not None:
        ends = generator.latents(query.towards, 0, n)
        z = np.concatenate([spherical(start, end, [query.mix]) for start, end in zip(z, ends, strict=True)])
    return await generate(service, loaded, z, conditions, query.edit)


async def generate_loop(service: InferenceService, loaded: LoadedModel, query: LoopQuery) -> Response:
    """Return an animation. Without chosen conditions it shows as many as a request may have items for."""
    generator = loaded.generator
    conditions = generator.conditions(**query.conditions)
    most = max(1, service.settings.max_images // (query.n * query.steps))
    omitted = {TENSOR_OF_CONTROL[name] for name, value in query.conditions.items() if value in (None, [])}
    conditions = {name: rows[:most] if name in omitted else rows for name, rows in conditions.items()}
    per_frame = turns(conditions)
    service.check_images(query.n * query.steps * per_frame)
    z = loop(generator.latents(query.seed, 0, query.n), query.steps).repeat(per_frame, axis=0)
    items, seconds = await generate(service, loaded, z, conditions, query.edit)
    animation = await asyncio.to_thread(encode_gif, loaded.graph, items, per_frame)
    return Gif(animation, headers=result_headers(loaded, seconds))


async def generate(
    service: InferenceService, loaded: LoadedModel, z: Float32Array, conditions: Arrays, edits: Sequence[str] = ()
) -> tuple[Items, float]:
    """Return the items of latents, [n, H, W, C], and the seconds that took, including the queue."""
    began = time.perf_counter()
    graph, rows = loaded.graph, {"z": z, **take_in_turn(conditions, len(z))}
    shift = loaded.edits.shift(edits) if edits else None
    if shift is not None and not loaded.edits.styles:
        rows["z"] = z + shift
    inputs = {name: rows[name] for name in graph.inputs}
    if shift is not None and loaded.edits.styles:
        outputs = await service.batcher.run(loaded, inputs, ("w",))
        items = await asyncio.to_thread(loaded.edits.render, outputs["w"] + shift)
    else:
        outputs = await service.batcher.run(loaded, inputs, (graph.result_output,))
        items = graph.to_items(outputs[graph.result_output])
    return items, time.perf_counter() - began


def result_headers(loaded: LoadedModel, seconds: float) -> dict[str, str]:
    """Return the headers of a generated file."""
    return {
        "Cache-Control": "no-cache",
        "X-Model-Version": loaded.version,
        "Server-Timing": f"draw;dur={1000 * seconds:.2f}",
    }


def encode_png(graph: Graph, items: Items, columns: int | None = None) -> bytes:
    """Return a PNG: of one item as it is if its medium has pictures, else the medium's picture of the items."""
    if len(items) == 1 and ".png" in graph.medium.formats:
        return graph.medium.encode(items[0], graph.result_item, ".png").data
    return encode_picture(draw(graph, items, columns), ".png")


def encode_gif(graph: Graph, items: Items, per_frame: int) -> bytes:
    """Return an animation of the items."""
    first, *rest = draw_frames(graph, items, per_frame, sheet_columns(None, per_frame))
    return encode_picture(first, ".gif", save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
