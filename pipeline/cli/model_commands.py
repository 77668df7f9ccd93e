"""`ganline sample`, `serve`, `apply` and `quantize`: use of the exported model, with ONNX Runtime and without torch.

Packages are imported inside the commands, so that `--help` is fast.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.cli.derived_options import DerivedCommand, condition_options, service_options, with_options
from pipeline.cli.model_options import (
    ColumnsOption,
    EditOption,
    ExampleOption,
    FramesOption,
    LabelOption,
    LatentOption,
    ModelOption,
    QualityOption,
    StylesOption,
)
from pipeline.stages.paths import Paths, project_root

if TYPE_CHECKING:
    from pipeline.serving.settings import ServeSettings

model_commands = typer.Typer()

SEED_MAX = 2**64 - 1


@model_commands.command(cls=DerivedCommand)
@with_options(condition_options)
def sample(
    *,
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--number",
            min=1,
            help="Number of images (64); with --interpolate rows, or latents of an animation (8).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="The same seed gives the same images.")] = 0,
    output: Annotated[
        str,
        typer.Option("-o", "--output", help="File (.png, .jpg, .webp ...), or folder ending in / for single files."),
    ] = "samples.png",
    model: ModelOption = None,
    columns: ColumnsOption = None,
    interpolate: Annotated[
        int | None,
        typer.Option(
            help="Steps from one latent to the next: a sheet with a row for each, or (.gif, .webp, .apng) a looping "
            "animation.",
            show_default=False,
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Frames of a clip, for models that make any number (mocogan).", show_default=False
        ),
    ] = None,
    edit: EditOption = None,
    styles: StylesOption = None,
    latent: LatentOption = None,
    conditions: dict[str, Any],
) -> None:
    """Generate images from generator.onnx with ONNX Runtime, on CUDA if there is a GPU.

    `ganline sample -n 64 --seed 7 -o grid.png`

    `ganline sample -n 1000 -o images/ --model ~/models/generator.onnx`

    `ganline sample --label sneaker --label bag -n 20` makes two columns

    `ganline sample --psi 0.7`

    `ganline sample --interpolate 10 -n 6 -o strips.png`

    `ganline sample --interpolate 24 -o loop.gif`

    `ganline sample --frames 60 -o longer.gif`

    `ganline sample --edit slant=+1.5 --edit thickness=-1 -o edited.png` after `ganline directions`

    `ganline sample --styles coarse:7,fine:9` and `--label 3:0.5,8:0.5` mix styles and labels (stylegan2)
    """
    from pipeline.serving.runtime.edited_generator import Edits
    from pipeline.serving.runtime.sample_files import Request, sample_to_files

    folder = output.endswith("/") or Path(output).is_dir()
    request = Request(n, seed, conditions, interpolate, columns, frames, Edits(tuple(edit or ()), styles or "", latent))
    result = sample_to_files(model or Paths(project_root()).generator, Path(output), request, folder=folder)
    typer.echo(f"{output}: {result}")


@model_commands.command(cls=DerivedCommand)
@with_options(service_options)
def serve(
    *,
    model: Annotated[
        str | None,
        typer.Option(
            help="Exported generator, or models:/NAME@ALIAS in MLflow; default: exported/generator.onnx.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that requests must carry; or set GANLINE_SERVE_TOKEN.", show_default=False
        ),
    ] = None,
    settings: "ServeSettings",
) -> None:
    """Serve the generator over HTTP: a page, images by URL, and the Open Inference Protocol. Runs without torch.

    `ganline serve` then open http://127.0.0.1:8000

    `curl -o sheet.png "http://127.0.0.1:8000/image.png?seed=7&n=16"`

    `curl -o after.png --data-binary @before.jpg http://127.0.0.1:8000/apply` for image-to-image models

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline serve --model models:/ganline-digits@champion` follows the alias

    `ganline serve --provider cuda --strict-provider --max-batch 128`

    `ganline serve --host 0.0.0.0 --token-file /run/secrets/token`

    `ganline serve --host 0.0.0.0 --drain-seconds 5 --grace-seconds 25` in Kubernetes

    SIGTERM or Ctrl-C: accepted requests are answered, then the service ends.
    """
    from pydantic import SecretStr

    from pipeline.stages.commands.serve import read_token, run

    token = read_token(token_file) if token_file else os.environ.get("GANLINE_SERVE_TOKEN")
    run(project_root(), model, settings.model_copy(update={"token": SecretStr(token) if token else None}))


@model_commands.command()
def apply(
    *,
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Images and folders.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="File for one image; else a folder, which keeps the structure of input folders.",
            show_default=False,
        ),
    ],
    model: ModelOption = None,
    tile: Annotated[
        int, typer.Option(min=16, help="Side of the tiles of large images; smaller tiles need less memory.")
    ] = 512,
    overlap: Annotated[
        int, typer.Option(min=2, help="Overlap of neighbouring tiles in pixels, which hides their seams.")
    ] = 64,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=SEED_MAX,
            help="Style of the results, if the model has styles (drit); 0 by default.",
            show_default=False,
        ),
    ] = None,
    example: ExampleOption = None,
    label: LabelOption = None,
    frames: FramesOption = None,
    quality: QualityOption = None,
) -> None:
    """Apply an image-to-image generator (super-resolution, denoising, translation) to images. Runs without torch.

    Transparency, EXIF data and resolution are kept. Colours become sRGB. A line on stderr says what was not kept.

    `ganline apply photo.jpg -o photo-x4.png`

    `ganline apply scans/ more/*.tif -o restored/`

    `ganline apply huge.png -o large.png --tile 256`

    `ganline apply summer/ -o winter/ --example one-winter.jpg` (or `--seed 3`) chooses the style

    `ganline apply winter/ -o summer/ --model exported/reverse.onnx` translates in the other direction

    `ganline apply seven.png -o thin.png --label thin` (or `--label all`) chooses the class to translate to

    `ganline apply clip.gif -o longer.gif --frames 8` predicts the next frames of a clip
    """
    from tqdm import tqdm

    from pipeline.serving.runtime.apply_files import ApplyOptions, apply_to_files
    from pipeline.serving.runtime.image_to_image import TileSize

    def show_progress(pairs: Sequence[Any]) -> Iterable[Any]:
        return tqdm(pairs, desc="apply", unit="img", leave=False, disable=None)

    options = ApplyOptions(TileSize(tile, overlap, frames), seed, example, label, quality)
    count, problems, losses = apply_to_files(
        model or Paths(project_root()).generator, inputs, output, options, show_progress
    )
    for problem in problems:
        typer.echo(f"ganline: {problem}", err=True)
    for loss in losses:
        typer.echo(f"ganline: not kept: {loss}", err=True)
    failed = f", {len(problems)} could not be read" if problems else ""
    typer.echo(f"{output}: {count} result{'' if count == 1 else 's'}{failed}")
    raise typer.Exit(2 if problems else 0)


@model_commands.command()
def quantize(
    *,
    kind: Annotated[
        Literal["fp16", "int8"], typer.Argument(help="float16 for GPUs, or int8 for CPUs.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="Default: MODEL.fp16.onnx or .int8.onnx in the same folder.", show_default=False
        ),
    ] = None,
    model: ModelOption = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            help="Mean difference of the images from float32 in levels of 255; a single value may differ 16 times "
            "as much.",
        ),
    ] = 1.0,
) -> None:
    """Convert the exported generator to float16 or int8 and report error and speed.

    Nothing is written (exit 2) if the images differ too much from float32.

    `ganline quantize fp16`

    `ganline quantize int8 --tolerance 2`

    `ganline serve --model exported/generator.fp16.onnx --provider cuda`
    """
    from pipeline.serving.onnx.quantize import quantize as convert

    source = model or Paths(project_root()).generator
    result = convert(source, output or source.with_suffix(f".{kind}.onnx"), kind, tolerance)
    before, after = result.size_bytes
    difference = f"{result.mean_levels:.3f} levels of 255 on average, {result.max_levels:.2f} at most"
    typer.echo(f"{result.path}: {after / 1e6:.2f} MB, float32 {before / 1e6:.2f} MB; differs by {difference}")
    for n, (full, fewer) in result.latency_ms.items():
        typer.echo(
            f"batch {n}: {fewer:.3f} ms, float32 {full:.3f} ms: {full / fewer:.2f} times as fast, {result.provider}"
        )
