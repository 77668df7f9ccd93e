"""The content of /model.json: what a client must know of the served model."""

from typing import Any, Literal

from pydantic import BaseModel

from pipeline.serving.controls import Control
from pipeline.serving.graph_tensors import controls
from pipeline.serving.http.loaded_model import LoadedModel
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.runtime.generator import Generator
from pipeline.serving.runtime.image_to_image import ImageToImage
from pipeline.serving.settings import ServeSettings


class ItemDescription(BaseModel):
    """The items of the model.

    Attributes:
        display: "image": /item is an image. "html": /item.html is the element that shows an item.
        mime_type, suffix: Of the file that /item returns.
    """

    medium: str
    noun: str
    shape: tuple[int, int, int]
    display: Literal["image", "html"]
    mime_type: str
    suffix: str


class ControlDescription(BaseModel):
    """A condition that a person can set: a query parameter, and an element of the page."""

    name: str
    title: str
    widget: Literal["choice", "range", "text"]
    choices: list[str] = []
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    value: float | None = None


class DirectionDescription(BaseModel):
    """A direction that `edit` moves along: the attribute that it changes most, and by how many deviations a step."""

    name: str
    main: str
    per_step: float


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
    item: ItemDescription
    controls: list[ControlDescription]
    directions: list[DirectionDescription]


def describe_model(loaded: LoadedModel, settings: ServeSettings) -> ModelDescription:
    """Return the description of a model and of the limits that apply to it."""
    model, metadata = loaded.model, loaded.graph.metadata
    generates = isinstance(model, Generator)
    return ModelDescription(
        name=loaded.name,
        version=loaded.version,
        provider=loaded.graph.provider,
        variant=metadata.variant,
        resolution=metadata.item.height,
        classes=model.classes,
        psi="psi" in loaded.graph.inputs,
        dataset=metadata.dataset_name,
        verdict=metadata.verdict,
        max_images=settings.max_images,
        task=metadata.task,
        takes="latents" if generates else "pictures",
        styles=isinstance(model, ImageToImage) and model.styles,
        scale=metadata.scale,
        max_pixels=settings.max_pixels,
        max_body=settings.max_body,
        item=describe_item(loaded),
        controls=[describe_control(control, metadata) for control in controls(loaded.graph.inputs)],
        directions=[
            DirectionDescription(name=one.name, main=one.main, per_step=one.per_step[one.main])
            for one in loaded.edits.directions
        ],
    )


def describe_item(loaded: LoadedModel) -> ItemDescription:
    """Return the description of the model's items, whose files have the default format of their medium."""
    medium, item = loaded.graph.medium, loaded.graph.metadata.item
    suffix, mime_type = next(iter(medium.formats.items()))
    return ItemDescription(
        medium=medium.name,
        noun=medium.noun,
        shape=item.shape,
        display="image" if medium.has_pictures else "html",
        mime_type=mime_type,
        suffix=suffix,
    )


def describe_control(control: Control, metadata: Metadata) -> ControlDescription:
    """Return the description of a control of the model."""
    details: dict[str, Any] = {}
    if control.choices is not None:
        details["choices"] = control.choices(metadata.item)
    if control.limits is not None:
        minimum, maximum = control.limits
        details |= {"minimum": minimum, "maximum": maximum, "step": control.step, "value": control.default}
    return ControlDescription(name=control.name, title=control.title, widget=control.widget, **details)
