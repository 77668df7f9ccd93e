"""What people do with the exported model: `ganline sample`, `serve` and `apply`. ONNX Runtime alone; rooms are imported inside the commands."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pipeline.cli.condition_options import with_condition_options
from pipeline.stages.paths import Paths, project_root

delivered = typer.Typer()


@delivered.command()
@with_condition_options
def sample(
    n: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--number",
            min=1,
            help="How many pictures (64); with --interpolate rows, or latents of an animation (8).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same pictures, however many are asked for."),
    ] = 0,
    output: Annotated[
        str,
        typer.Option(
            "-o", "--output", help="A picture file (.png, .jpg, .webp ...), or a folder ending in / for single PNGs."
        ),
    ] = "samples.png",
    model: Annotated[
        Path | None, typer.Option(help="An exported generator; by default the project's exported/generator.onnx.")
    ] = None,
    columns: Annotated[
        int | None,
        typer.Option(
            min=1, help="Columns of the sheet; by default one a class, or as square as it gets.", show_default=False
        ),
    ] = None,
    interpolate: Annotated[
        int | None,
        typer.Option(
            help="Steps from one latent to the next: a sheet with a row each, or (.gif, .webp, .apng) an animation that loops.",
            show_default=False,
        ),
    ] = None,
    *,
    conditions: dict[str, Any],
) -> None:
    """Draw pictures from generator.onnx with ONNX Runtime alone, on CUDA where there is one.

    `ganline sample -n 64 --seed 7 -o grid.png`

    `ganline sample -n 1000 -o pictures/ --model ~/models/generator.onnx`

    `ganline sample --label sneaker --label bag -n 20` draws two columns

    `ganline sample --psi 0.7`

    `ganline sample --interpolate 10 -n 6 -o strips.png`

    `ganline sample --interpolate 24 -o loop.gif`
    """
    from pipeline.serving.runtime.sample_files import Request
    from pipeline.serving.runtime.sample_files import sample as draw

    folder = output.endswith("/") or Path(output).is_dir()
    wanted = Request(n, seed, conditions, interpolate, columns)
    drawn = draw(model or Paths(project_root()).generator, Path(output), wanted, folder=folder)
    typer.echo(f"{output}: {drawn}")


@delivered.command()
def serve(
    model: Annotated[
        str | None,
        typer.Option(
            help="An exported generator, or models:/NAME@ALIAS in MLflow; by default the project's exported/generator.onnx.",
            show_default=False,
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 takes a free one; the first log line says which.")
    ] = 8000,
    provider: Annotated[
        Literal["auto", "cpu", "cuda", "tensorrt"],
        typer.Option(help="Where ONNX Runtime computes; auto takes CUDA where there is one."),
    ] = "auto",
    strict_provider: Annotated[
        bool, typer.Option("--strict-provider", help="End (exit 2) rather than compute elsewhere than --provider says.")
    ] = False,
    max_batch: Annotated[int, typer.Option(min=1, max=4096, help="Images drawn at once.")] = 64,
    max_delay_ms: Annotated[
        float,
        typer.Option(
            min=0,
            max=10_000,
            help="How long a request waits for others to share its batch; at 0 those share it that came while the last was drawn.",
        ),
    ] = 0.0,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Images that may wait; beyond them requests are told 429.")
    ] = 1024,
    max_images: Annotated[int, typer.Option(min=1, help="Images that one request may ask for.")] = 256,
    max_body: Annotated[int, typer.Option(min=1024, help="Bytes of one request's body.")] = 8 * 2**20,
    max_pixels: Annotated[
        int, typer.Option(min=4096, help="Image-to-image models: pixels of one result.")
    ] = 50_000_000,
    tile: Annotated[
        int, typer.Option(min=192, help="Image-to-image models: side of the pieces that larger pictures go through in.")
    ] = 512,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until a request is given up; also how long the end waits for them.")
    ] = 30.0,
    poll: Annotated[
        float, typer.Option(min=0.05, help="Seconds between looks at the file or alias, to swap in a newer model.")
    ] = 5.0,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="A file with the token that requests must carry; or set GANLINE_SERVE_TOKEN.", show_default=False
        ),
    ] = None,
) -> None:
    """Serve the generator over HTTP: a page, pictures by URL, and the Open Inference Protocol. ONNX Runtime alone; torch is not imported.

    `ganline serve` then open http://127.0.0.1:8000

    `curl -o sheet.png "http://127.0.0.1:8000/image.png?seed=7&n=16"`

    `curl -o after.png --data-binary @before.jpg http://127.0.0.1:8000/apply` where the model turns pictures into pictures

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline serve --model models:/ganline-digits@champion` follows the alias

    `ganline serve --provider cuda --strict-provider --max-batch 128`

    `ganline serve --host 0.0.0.0 --token-file /run/secrets/token`

    SIGTERM or Ctrl-C: what was accepted is answered, then it ends.
    """
    from pydantic import SecretStr

    from pipeline.serving.settings import ServeSettings
    from pipeline.stages.commands.serve import run, token_of

    token = token_of(token_file) if token_file else os.environ.get("GANLINE_SERVE_TOKEN")
    settings = ServeSettings(
        host=host,
        port=port,
        provider=provider,
        strict_provider=strict_provider,
        max_batch=max_batch,
        max_delay_ms=max_delay_ms,
        max_queue=max_queue,
        max_images=max_images,
        max_body=max_body,
        max_pixels=max_pixels,
        tile=tile,
        timeout=timeout,
        poll=poll,
        token=SecretStr(token) if token else None,
    )
    run(project_root(), model, settings)


@delivered.command()
def apply(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Pictures, and folders of them.", show_default=False)
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            help="A picture file for one picture; else a folder, which keeps the structure of folders.",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(help="An exported image-to-image generator; by default the project's exported/generator.onnx."),
    ] = None,
    tile: Annotated[
        int,
        typer.Option(min=16, help="Side of the pieces that large pictures go through in: smaller needs less memory."),
    ] = 512,
    overlap: Annotated[
        int,
        typer.Option(min=2, help="Pixels by which a piece reaches beyond what is kept of it, so that no seams show."),
    ] = 64,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=2**64 - 1,
            help="The style of the results, where the model has styles (drit); by default 0.",
            show_default=False,
        ),
    ] = None,
    example: Annotated[
        Path | None,
        typer.Option(help="A picture whose style the results take, in place of a seed's.", show_default=False),
    ] = None,
) -> None:
    """Run an image-to-image generator (super-resolution, denoising, translation) over pictures of any size, with ONNX Runtime alone.

    `ganline apply photo.jpg -o photo-x4.png`

    `ganline apply scans/ more/*.tif -o restored/`

    `ganline apply huge.png -o large.png --tile 256`

    `ganline apply summer/ -o winter/ --example one-winter.jpg` (or `--seed 3`) chooses the style

    `ganline apply winter/ -o summer/ --model exported/reverse.onnx` goes the other way
    """
    from tqdm import tqdm

    from pipeline.serving.runtime.apply_files import How
    from pipeline.serving.runtime.apply_files import apply as transform

    def bar(jobs: Sequence[Any]) -> Iterable[Any]:
        return tqdm(jobs, desc="apply", unit="img", leave=False, disable=None)

    done, problems = transform(
        model or Paths(project_root()).generator, inputs, output, How(tile, overlap, seed, example), bar
    )
    for problem in problems:
        typer.echo(f"ganline: {problem}", err=True)
    typer.echo(
        f"{output}: {done} picture{'' if done == 1 else 's'}"
        + (f", {len(problems)} could not be read" if problems else "")
    )
    raise typer.Exit(2 if problems else 0)


@delivered.command()
def quantize(
    kind: Annotated[
        Literal["fp16", "int8"], typer.Argument(help="float16, for GPUs; or int8, for processors.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="By default MODEL.fp16.onnx or .int8.onnx beside it.", show_default=False),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="An exported graph; by default the project's exported/generator.onnx.", show_default=False),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            help="Mean difference of the images from float32's, in levels of 255; one value may have 16 times that.",
        ),
    ] = 1.0,
) -> None:
    """Write the exported generator in fewer bits, with its error and speed beside float32; nothing is written (exit 2) where the images differ.

    `ganline quantize fp16`

    `ganline quantize int8 --tolerance 2`

    `ganline serve --model exported/generator.fp16.onnx --provider cuda`
    """
    from pipeline.serving.onnx.quantize import quantize as convert

    source = model or Paths(project_root()).generator
    found = convert(source, output or source.with_suffix(f".{kind}.onnx"), kind, tolerance)
    before, after = found.size_bytes
    apart = f"{found.mean_levels:.3f} levels of 255 in the mean, {found.max_levels:.2f} at most"
    typer.echo(f"{found.path}: {after / 1e6:.2f} MB, float32 {before / 1e6:.2f} MB; differs by {apart}")
    for n, (full, fewer) in found.latency_ms.items():
        typer.echo(
            f"batch {n}: {fewer:.3f} ms, float32 {full:.3f} ms: {full / fewer:.2f} times as fast, {found.provider}"
        )
