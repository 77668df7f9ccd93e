"""The `ganline` command: one subcommand a stage, and what people do by hand.

Rooms are imported inside the commands, so that `--help` answers at once.
"""

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.allocator import keep_freed
from pipeline.cli.model_commands import delivered
from pipeline.errors import GanlineError
from pipeline.stages.paths import project_root
from pipeline.telemetry import switch_off

CALCULATING = {"train", "evaluate"}
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
app.add_typer(delivered)


def stage(name: str) -> None:
    """Runs one stage in the project the working directory belongs to."""
    if name in CALCULATING:
        keep_freed()
    importlib.import_module(f"pipeline.stages.{name}").run(project_root())


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
    # Numpy's threads go on waiting for a while after a product, in the way of torch's: its small ones in the looks need one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
def promote() -> None:
    """Make the exported model the champion of MLflow's registry, if it is no worse than the one there.

    It becomes `challenger`. With a champion both are run from their ONNX files and judged under one protocol; FID and KID (of restorations and paired
    translations PSNR) must not be worse beyond their bootstrap interval, nor diversity fall; gate, lineage, parity and latency must hold. Without
    one, absolute limits do (`promote:` in params.yaml). Then `previous_champion` is the champion, and `champion` the challenger. "not promoted" is
    an outcome (exit 0); `metrics/promotion.json` says why. A second time changes nothing.

    `dvc repro && ganline promote`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline promote` uses that server's registry
    """
    importlib.import_module("pipeline.stages.commands.promote").run(project_root())


@app.command()
def rollback() -> None:
    """Make `previous_champion` the champion again; the version taken back is never promoted by itself again.

    Twice goes back two champions.

    `ganline rollback`
    """
    typer.echo(importlib.import_module("pipeline.stages.commands.promote").roll_back(project_root()))


@app.command()
def lineage() -> None:
    """Print the chain from data to registry: dvc.lock, files, MLflow run, ONNX metadata, registry tags. Exit 2 when a link is broken.

    `ganline lineage`

    `ganline lineage | grep -v ^agrees` shows only what does not agree, or is not recorded
    """
    links = importlib.import_module("pipeline.stages.commands.lineage").chain(project_root())
    for link in links:
        typer.echo(f"{link.state:<8}{link}")
    raise typer.Exit(2 if any(link.state == "broken" for link in links) else 0)


@app.command()
def drift(
    data: Annotated[
        Path | None,
        typer.Option(help="Where a relative data.source begins; by default the project.", show_default=False),
    ] = None,
    ratio: Annotated[
        float,
        typer.Option(
            min=1.0, help="Of the distance to that between real images: above it, and beyond chance, is drift."
        ),
    ] = 2.0,
) -> None:
    """Compare images that have arrived since the last run with those it held out, in the judge's features.

    `ganline drift`

    `ganline drift --ratio 1.5`
    """
    importlib.import_module("pipeline.stages.commands.drift").run(project_root(), data, ratio)


@app.command()
def features(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The .onnx file to write; by default the project's exported/features.onnx.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export what the discriminator learnt as a feature extractor (image to features), and probe it.

    The probe is a linear classifier on those features; beside it the same on raw pixels, and on the features of the network untrained.
    All are judged on the test split.

    `ganline features`

    `ganline features -o ~/models/digits-features.onnx`
    """
    from pipeline.stages.commands.features import run as extract

    extract(project_root(), output)


@app.command()
def summary() -> None:
    """Say what the line has made: verdict, key numbers, and where samples, metrics, report and generator.onnx are."""
    from pipeline.cli.summary import summary as text

    typer.echo(text(project_root()))


@app.command()
def doctor() -> None:
    """Check this machine and checkout, one line each with the way out; exit 2 when something would fail.

    `ganline doctor`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline doctor` asks that server

    `ganline doctor | grep -v ^ok` shows only what needs doing
    """
    from pipeline.cli.doctor import examine

    levels = []
    for finding in examine(project_root()):
        typer.echo(str(finding))
        levels.append(finding.level)
    raise typer.Exit(2 if "fail" in levels else 0)


@preset.command("list")
def preset_list() -> None:
    """Every preset: what it is for and what it costs."""
    from pipeline.cli.presets import list_presets

    for entry in list_presets(project_root()):
        typer.echo(f"{entry.name}\n    {entry.purpose}\n    Cost: {entry.cost}")


@preset.command("use")
def preset_use(name: Annotated[str, typer.Argument(help="A name from `ganline preset list`.")]) -> None:
    """Write a preset to params.yaml; one edited by hand is kept as params.yaml.bak.

    `ganline preset use fashion-mnist-32 && dvc repro`
    """
    from pipeline.cli.presets import use

    kept = use(project_root(), name)
    typer.echo(
        f"params.yaml is now the preset {name}"
        + (f"; yours is kept as {kept.name}" if kept else "")
        + "; run it with `dvc repro`"
    )


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ganline {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the subcommand."""


def main() -> None:
    """Entry point: a GanlineError becomes one message on stderr and its exit code."""
    switch_off()
    try:
        app()
    except GanlineError as error:
        typer.echo(f"ganline: {error}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        where = error.filename or "writing"
        typer.echo(f"ganline: {where}: {error.strerror}; make room on its disk and run the same again", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
