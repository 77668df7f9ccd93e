"""Query parameters of the endpoints that generate images; those of the conditions come from `graph_tensors`."""

from typing import Annotated, Any

from annotated_types import Le
from pydantic import BaseModel, ConfigDict, Field, create_model

from pipeline.serving.graph_tensors import TENSOR_OF_CONTROL, TENSORS
from pipeline.serving.runtime.generator import LARGEST_SEED

LONGEST_VALUE, MOST_VALUES = 200, 64
"""Characters of a value, and values of a control, that one request may contain."""


class SeedQuery(BaseModel):
    """Parameters that all endpoints share; `bounded_query` adds one per control."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="The same seed gives the same items.")
    edit: list[Annotated[str, Field(max_length=LONGEST_VALUE)]] = Field(
        [],
        max_length=MOST_VALUES,
        description="Steps along the directions of /model.json, such as slant=1.5; several with commas between them.",
    )

    @property
    def conditions(self) -> dict[str, Any]:
        """Values by control, for `Generator.conditions`."""
        return {name: getattr(self, name) for name in TENSOR_OF_CONTROL}


class ItemQuery(SeedQuery):
    """Parameters of /item and /item.html."""

    towards: int | None = Field(
        None, ge=0, le=LARGEST_SEED, description="Second seed: interpolate by `mix` towards its latents."
    )
    mix: float = Field(0.5, ge=0, le=1, description="Position between the two seeds.")


class FileQuery(ItemQuery):
    """Parameters of /sample.SUFFIX."""

    n: int = Field(1, ge=1, description="Number of items. Several follow each other, if they last in time.")


class ImageQuery(ItemQuery):
    """Parameters of /image.png."""

    n: int = Field(
        1, ge=1, description="Number of items. One is returned in its own size, several as a sheet (`ganline sample`)."
    )
    columns: int | None = Field(
        None, ge=1, description="Columns of the sheet; by default one per condition, or as square as possible."
    )


class LoopQuery(SeedQuery):
    """Parameters of /interpolate.gif."""

    n: int = Field(4, ge=2, description="Latents that the loop passes through before it returns to the first.")
    steps: int = Field(12, ge=2, description="Frames from one latent to the next.")


COUNTS = ("n", "columns", "steps")
"""Parameters that the service's limit of images applies to."""


def bounded_query(query: type[SeedQuery], largest: int) -> Any:
    """Return the query model with a field per control, and counts of at most `largest`."""
    counts: dict[str, Any] = {
        name: (Annotated[field.annotation, Le(largest)], field)
        for name, field in query.model_fields.items()
        if name in COUNTS
    }
    return create_model(query.__name__, __base__=query, **control_fields(), **counts)


def control_fields() -> dict[str, Any]:
    """Return one pydantic field per control of the table."""
    fields: dict[str, Any] = {}
    for name, tensor in TENSOR_OF_CONTROL.items():
        control = TENSORS[tensor].control
        assert control is not None
        low, high = control.limits or (None, None)
        value: Any = control.value
        if control.many:
            value = list[Annotated[value, Field(max_length=LONGEST_VALUE)]]
            fields[name] = (value, Field([], max_length=MOST_VALUES, description=control.help))
        else:
            fields[name] = (value | None, Field(None, ge=low, le=high, description=control.help))
    return fields
