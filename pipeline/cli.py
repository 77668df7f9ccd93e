"""The `ganline` command: one subcommand a stage, and what people do by hand.

Rooms are imported inside the commands, so that `--help` answers at once.
"""

import errno
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline import __version__
from pipeline.errors import GanlineError
from pipeline.telemetry import switch_off

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="A GAN you can put on a schedule: images in, a validated, measured, gated ONNX generator out.",
    epilog="Run the whole line with `dvc repro`; each stage below is one step of dvc.yaml.",
)
preset = typer.Typer(no_args_is_help=True, help="Choose a ready configuration.")
app.add_typer(preset, name="preset")


def stage(name: str) -> None:
    """Runs one stage in the project the working directory belongs to."""
    importlib.import_module(f"pipeline.stages.{name}").run(project_root())


def project_root() -> Path:
    """The nearest folder upwards that holds a dvc.yaml; the working directory where there is none."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / "dvc.yaml").is_file()), here)


@app.command()
def ingest() -> None:
    """Stream the source into uint8 shards and a manifest of every file."""
    stage("ingest")


@app.command()
def validate() -> None:
    """Check the manifest; set bad items aside; stop (exit 3) on a critical failure."""
    stage("validate")


@app.command()
def train() -> None:
    """Train the variant of params.yaml; resumes where an interrupted run of the same settings stopped."""
    stage("train")


@app.command()
def evaluate() -> None:
    """Measure the generator and write the verdict and the report."""
    stage("evaluate")


@app.command()
def export() -> None:
    """Write generator.onnx, checked against PyTorch; refuses (exit 5) when the verdict is fail."""
    stage("export")


@app.command()
def features(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="The .onnx file to write; by default the project's exported/features.onnx.", show_default=False)
    ] = None,
) -> None:
    """Export what the discriminator learnt as a feature extractor (image to features), and probe it.

    The probe is a linear classifier on those features; beside it the same on raw pixels, and on the features of the network untrained.
    All are judged on the test split.

    `ganline features`

    `ganline features -o ~/models/digits-features.onnx`
    """
    from pipeline.stages.features import run as extract

    extract(project_root(), output)


@app.command()
def sample(
    n: Annotated[
        int | None,
        typer.Option("-n", "--number", min=1, help="How many pictures (64); with --interpolate rows, or latents of an animation (8).", show_default=False),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same pictures, however many are asked for.")] = 0,
    output: Annotated[
        str, typer.Option("-o", "--output", help="A picture file (.png, .jpg, .webp ...), or a folder ending in / for single PNGs.")
    ] = "samples.png",
    model: Annotated[Path | None, typer.Option(help="An exported generator; by default the project's exported/generator.onnx.")] = None,
    columns: Annotated[
        int | None, typer.Option(min=1, help="Columns of the sheet; by default one a class, or as square as it gets.", show_default=False)
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A class by name or index, if the model knows labels; several times: taken in turn. By default all.", show_default=False),
    ] = None,
    psi: Annotated[float | None, typer.Option(help="Truncation of StyleGAN2, 0 (the average picture) to 1.5; 1 truncates nothing.", show_default=False)] = None,
    interpolate: Annotated[
        int | None,
        typer.Option(help="Steps from one latent to the next: a sheet with a row each, or (.gif, .webp, .apng) an animation that loops.", show_default=False),
    ] = None,
) -> None:
    """Draw pictures from generator.onnx with ONNX Runtime alone, on CUDA where there is one.

    `ganline sample -n 64 --seed 7 -o grid.png`

    `ganline sample -n 1000 -o pictures/ --model ~/models/generator.onnx`

    `ganline sample --label sneaker --label bag -n 20` draws two columns

    `ganline sample --psi 0.7`

    `ganline sample --interpolate 10 -n 6 -o strips.png`

    `ganline sample --interpolate 24 -o loop.gif`
    """
    from pipeline.serving.sample import Request
    from pipeline.serving.sample import sample as draw
    from pipeline.stages.paths import Paths

    folder = output.endswith("/") or Path(output).is_dir()
    wanted = Request(n, seed, label or (), psi, interpolate, columns)
    drawn = draw(model or Paths(project_root()).generator, Path(output), wanted, folder=folder)
    typer.echo(f"{output}: {drawn}")


@app.command()
def apply(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Pictures, and folders of them.", show_default=False)],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A picture file for one picture; else a folder, which keeps the structure of folders.", show_default=False)
    ],
    model: Annotated[Path | None, typer.Option(help="An exported image-to-image generator; by default the project's exported/generator.onnx.")] = None,
    tile: Annotated[int, typer.Option(min=16, help="Side of the pieces that large pictures go through in: smaller needs less memory.")] = 512,
    overlap: Annotated[int, typer.Option(min=2, help="Pixels by which a piece reaches beyond what is kept of it, so that no seams show.")] = 64,
) -> None:
    """Run an image-to-image generator (super-resolution, denoising) over pictures of any size, with ONNX Runtime alone.

    `ganline apply photo.jpg -o photo-x4.png`

    `ganline apply scans/ more/*.tif -o restored/`

    `ganline apply huge.png -o large.png --tile 256`
    """
    from tqdm import tqdm

    from pipeline.serving.apply import apply as transform
    from pipeline.stages.paths import Paths

    def bar(jobs: Sequence[Any]) -> Iterable[Any]:
        return tqdm(jobs, desc="apply", unit="img", leave=False, disable=None)

    done, problems = transform(model or Paths(project_root()).generator, inputs, output, tile, overlap, bar)
    for problem in problems:
        typer.echo(f"ganline: {problem}", err=True)
    typer.echo(f"{output}: {done} picture{'' if done == 1 else 's'}" + (f", {len(problems)} could not be read" if problems else ""))
    raise typer.Exit(2 if problems else 0)


@app.command()
def summary() -> None:
    """Say what the line has made: verdict, key numbers, and where samples, metrics, report and generator.onnx are."""
    from pipeline.summary import summary as text

    typer.echo(text(project_root()))


@app.command()
def doctor() -> None:
    """Check this machine and checkout, one line each with the way out; exit 2 when something would fail.

    `ganline doctor`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline doctor` asks that server

    `ganline doctor | grep -v ^ok` shows only what needs doing
    """
    from pipeline.doctor import examine

    levels = []
    for finding in examine(project_root()):
        typer.echo(str(finding))
        levels.append(finding.level)
    raise typer.Exit(2 if "fail" in levels else 0)


@preset.command("list")
def preset_list() -> None:
    """Every preset: what it is for and what it costs."""
    from pipeline.presets import available

    for found in available(project_root()):
        typer.echo(f"{found.name}\n    {found.purpose}\n    Cost: {found.cost}")


@preset.command("use")
def preset_use(name: Annotated[str, typer.Argument(help="A name from `ganline preset list`.")]) -> None:
    """Write a preset to params.yaml; one edited by hand is kept as params.yaml.bak.

    `ganline preset use fashion-mnist-32 && dvc repro`
    """
    from pipeline.presets import use

    kept = use(project_root(), name)
    typer.echo(f"params.yaml is now the preset {name}" + (f"; yours is kept as {kept.name}" if kept else "") + "; run it with `dvc repro`")


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganline {__version__}")
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")] = False) -> None:
    """Options before the subcommand."""


def main() -> None:
    """Entry point: a GanlineError becomes one message on stderr and its exit code."""
    switch_off()
    try:
        app()
    except GanlineError as error:
        print(f"ganline: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        print(f"ganline: {error.filename or 'writing'}: {error.strerror}; make room on its disk and run the same again", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
