"""Options that commands of exported models share."""

from pathlib import Path
from typing import Annotated

import typer

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="Exported graph; default: the project's exported/generator.onnx.", show_default=False),
]
FramesOption = Annotated[
    int | None,
    typer.Option(min=1, max=10_000, help="Frames to predict, for models that do; 8 by default.", show_default=False),
]
QualityOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=100,
        help="Quality of .jpg and .avif (95), or of lossy .webp (lossless by default).",
        show_default=False,
    ),
]
EditOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=STRENGTH",
        help="Move along a direction that `ganline directions` found, in standard deviations; may be repeated.",
        show_default=False,
    ),
]
StylesOption = Annotated[
    str | None,
    typer.Option(
        metavar="GROUP:SEED,...",
        help="Take the style of a third of the layers (coarse, middle, fine) from another seed, or from a file of "
        "`ganline project`: coarse:7,fine:photo.npz",
        show_default=False,
    ),
]
LatentOption = Annotated[
    Path | None,
    typer.Option(help="Draw the item of a file of `ganline project`, instead of a seed.", show_default=False),
]
ExampleOption = Annotated[
    Path | None, typer.Option(help="Image whose style the results take, instead of a seed.", show_default=False)
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        help="Class to translate to, by name or index, if the model has classes (stargan); with --example, the "
        "class of the example. `all` draws the input and its translation to each class in one row.",
        show_default=False,
    ),
]
ColumnsOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Columns of the sheet; by default one per condition, or as square as possible.",
        show_default=False,
    ),
]
