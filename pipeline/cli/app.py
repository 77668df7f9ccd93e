"""The `ganline` command: one subcommand per stage, and the commands that people run by hand.

Packages are imported inside the commands, so that `ganline --help` answers at once.
"""

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline import __version__
from pipeline.allocator import keep_freed_memory
from pipeline.cli.data_commands import data_commands
from pipeline.cli.latent_commands import latent_commands
from pipeline.cli.launch import run_processes, wanted_processes
from pipeline.cli.model_commands import model_commands
from pipeline.cli.registry_commands import registry_commands
from pipeline.cli.tune_command import tune_command
from pipeline.errors import GanlineError
from pipeline.stages.paths import Paths, project_root
from pipeline.telemetry import switch_off_telemetry

TORCH_STAGES = {"train", "evaluate"}
REMEDIES = {
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): "make room on its disk",
    (errno.EACCES, errno.EPERM, errno.EROFS): "give this user write access to it",
    (errno.EISDIR, errno.ENOTDIR, errno.EEXIST): "move it away: it is a file in the place of a folder, or the reverse",
    (errno.EMFILE, errno.ENFILE): "raise the limit of open files (`ulimit -n`)",
}
"""What to do about errors of the operating system, by their numbers."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="A GAN you can put on a schedule: data in, a validated, measured, gated ONNX generator out.",
    epilog="`dvc repro` runs all stages that are out of date. Each stage is one step of dvc.yaml.",
)
preset = typer.Typer(no_args_is_help=True, help="List the ready configurations, or write one to params.yaml.")
app.add_typer(preset, name="preset")
app.add_typer(registry_commands)
app.add_typer(model_commands)
app.add_typer(data_commands)
app.add_typer(tune_command)
app.add_typer(latent_commands)


def run_stage(name: str) -> None:
    """Run one stage in the project of the working directory."""
    if name in TORCH_STAGES:
        keep_freed_memory()
    importlib.import_module(f"pipeline.stages.{name}").run(project_root())


@app.command()
def ingest() -> None:
    """Read the source and write data/dataset: arrays in shards, and a manifest with one row per file.

    `ganline ingest`

    `dvc repro ingest` runs it only if the source or `data:` changed
    """
    run_stage("ingest")


@app.command()
def validate() -> None:
    """Check the manifest and put rejected items in quarantine. Exit code 3 if a critical expectation fails.

    `ganline validate`

    `dvc repro validate` runs the stages before it, too
    """
    run_stage("validate")


@app.command()
def train() -> None:
    """Train the variant of params.yaml. An interrupted training with the same settings resumes.

    `ganline train`

    `GANLINE_PROCESSES=4 ganline train` trains in four processes on this machine, one a GPU if there are GPUs

    `dvc repro train` runs the stages before it, too
    """
    # Threads of NumPy's BLAS spin after each product and slow torch down; the health checks need only one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    count = wanted_processes(os.environ)
    if count > 1:
        raise typer.Exit(run_processes(count, "train"))
    run_stage("train")


@app.command()
def evaluate() -> None:
    """Compute the measures on held-out data and write the verdict and reports/evaluation.html.

    `ganline evaluate`

    `dvc repro evaluate && dvc metrics show`
    """
    run_stage("evaluate")


@app.command()
def export() -> None:
    """Write exported/generator.onnx and compare it with PyTorch. Exit code 5 if the verdict is fail.

    `ganline export`

    `dvc repro` runs all stages that are out of date and ends with this one
    """
    run_stage("export")


@app.command()
def features(
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="The .onnx file to write; the default is exported/features.onnx in the project.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Export the discriminator as a feature extractor (image to features) and measure it with a linear probe.

    The probe is a linear classifier on the features, tested on the test split. For comparison the same probe is
    trained on raw pixels and on the features of an untrained discriminator.

    `ganline features`

    `ganline features -o ~/models/digits-features.onnx`
    """
    from pipeline.stages.commands.features import run

    run(project_root(), output)


@app.command()
def human(
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other items.")] = 0,
    result: Annotated[
        list[Path] | None,
        typer.Option(
            "--result",
            help="A file that the page saved. Repeat it for several people: their answers are pooled.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Test whether people can tell generated items from real ones.

    Without --result, reports/human.html is written: 40 items in random order, half of them generated, half held-out
    real ones. The page needs no network and saves the answers to a file. With --result, the files are checked, and
    metrics/human.json gets the share of right answers with its 95 % interval. `ganline summary` shows it.

    `ganline human` then open reports/human.html in a browser

    `ganline human --seed 1` for a person who has seen the test before

    `ganline human --result ann.json --result bob.json`
    """
    from pipeline.stages.commands import human as commands

    if result:
        commands.add_results(project_root(), result)
    else:
        commands.write_page(project_root(), seed)


@app.command()
def summary() -> None:
    """Print the verdict, the main numbers, and the paths of samples, metrics, report and generator.onnx.

    `ganline summary`
    """
    from pipeline.cli.summary import summary as text

    typer.echo(text(project_root()))


@app.command()
def doctor() -> None:
    """Check this machine and this checkout. Prints one line per check with its remedy; exit code 2 if one fails.

    `ganline doctor`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline doctor` checks that server

    `ganline doctor | grep -v ^ok` shows only problems
    """
    from pipeline.cli.doctor.run_checks import run_checks

    levels = []
    for finding in run_checks(project_root()):
        typer.echo(str(finding))
        levels.append(finding.level)
    raise typer.Exit(2 if "fail" in levels else 0)


@preset.command("list")
def list_presets() -> None:
    """List the presets: name, purpose and cost.

    `ganline preset list`
    """
    from pipeline.cli import presets

    for entry in presets.list_presets(project_root()):
        typer.echo(f"{entry.name}\n    {entry.purpose}\n    Cost: {entry.cost}")


@preset.command("use")
def use_preset(name: Annotated[str, typer.Argument(help="A name from `ganline preset list`.")]) -> None:
    """Write a preset to params.yaml, complete and commented. An edited params.yaml is kept as params.yaml.bak.

    `ganline preset use fashion-mnist-32 && dvc repro`
    """
    from pipeline.cli import presets

    backup = presets.use(project_root(), name)
    kept = f" The previous file is now {backup.name}." if backup else ""
    typer.echo(f"params.yaml is now the preset {name}.{kept} Run it with `dvc repro`.")


def show_version(requested: bool) -> None:
    """Print the version and exit, if `--version` was given."""
    if requested:
        typer.echo(f"ganline {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the subcommand."""


def say_here(message: str) -> str:
    """Return a message with the word for the items of the project in this folder."""
    from pipeline.media.registry import MEDIA
    from pipeline.media.wording import PLAIN, say
    from pipeline.params import read_medium

    medium = MEDIA.get(read_medium(Paths(project_root()).params))
    return say(message, medium.noun if medium else PLAIN)


def main() -> None:
    """Run the command line; print a GanlineError as one message on stderr and exit with its code."""
    switch_off_telemetry()
    try:
        app()
    except GanlineError as error:
        typer.echo(f"ganline: {say_here(str(error))}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        remedy = next((text for numbers, text in REMEDIES.items() if error.errno in numbers), "check this path")
        typer.echo(f"ganline: {where}{error.strerror or error}; {remedy} and run the command again", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
