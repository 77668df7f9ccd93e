"""The `ganline` command: one subcommand a stage, and what people do by hand.

Rooms are imported inside the commands, so that `--help` answers at once.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.errors import GanlineError

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
def sample(
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many pictures.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**64 - 1, help="The same seed gives the same pictures, however many are asked for.")] = 0,
    output: Annotated[
        str, typer.Option("-o", "--output", help="A picture file (.png, .jpg, .webp ...), or a folder ending in / for single PNGs.")
    ] = "samples.png",
    model: Annotated[Path | None, typer.Option(help="An exported generator; by default the project's exported/generator.onnx.")] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Columns of the sheet; by default as square as it gets.")] = None,
) -> None:
    """Draw pictures from generator.onnx with ONNX Runtime alone, on CUDA where there is one.

    `ganline sample -n 64 --seed 7 -o grid.png`

    `ganline sample -n 1000 -o pictures/ --model ~/models/generator.onnx`
    """
    from pipeline.serving.sample import sample as draw
    from pipeline.stages.paths import Paths

    folder = output.endswith("/") or Path(output).is_dir()
    provider = draw(model or Paths(project_root()).generator, Path(output), n, seed, columns, folder=folder)
    typer.echo(f"{output}: {n} pictures, seed {seed}, {provider}")


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganline {__version__}")
        raise typer.Exit


@app.callback()
def root(version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")] = False) -> None:
    """Options before the subcommand."""


def quiet_libraries() -> None:
    """No telemetry, ever: set before any library is imported, and inherited by every child."""
    for name, value in {
        "DO_NOT_TRACK": "true",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DVC_NO_ANALYTICS": "1",
        "GX_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }.items():
        os.environ.setdefault(name, value)


def main() -> None:
    """Entry point: a GanlineError becomes one message on stderr and its exit code."""
    quiet_libraries()
    try:
        app()
    except GanlineError as error:
        print(f"ganline: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
