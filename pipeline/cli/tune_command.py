"""The command `ganline tune`."""

import os
from typing import Annotated

import typer

from pipeline.stages.paths import Paths, project_root

tune_command = typer.Typer()


@tune_command.command()
def tune(
    *,
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Trials of the whole study, instead of tune.trials.", show_default=False),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Hours that all trials of the study take, instead of tune.hours.", show_default=False
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="Name of the preset that gets the result.")] = "tuned",
) -> None:
    """Search better values for params.yaml, and write them to a preset if new seeds confirm them.

    Trials train on a part of the training split. Their health checks are compared, and bad trials stop early. The best
    one is trained again on new seeds, and so is params.yaml as it is. No trial reads the test split. `tune:` in
    params.yaml has the ranges and the budget. Needs Optuna: `pip install 'ganline[tune]'`.

    The command can be stopped at any time; the same command continues. Written are reports/tune.html, metrics/tune.json
    and presets/tuned.yaml.

    `dvc repro validate && ganline tune`

    `ganline tune --hours 0.5`

    `ganline tune --trials 100` continues a study that had 30

    `GANLINE_TUNE_STORAGE=postgresql://user:password@host/tune ganline tune` on several machines: they share the study

    `ganline preset use tuned && dvc repro`
    """
    # Threads of NumPy's BLAS spin after each product and slow torch down; the health checks need only one.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from pipeline.allocator import keep_freed_memory
    from pipeline.cli import preset_file
    from pipeline.stages.commands.tune import run

    keep_freed_memory()
    root = project_root()
    target = preset_file.find_target(root, preset)
    result = run(root, trials, hours)
    typer.echo(result.message)
    if result.values is not None:
        preset_file.write(target, result.values, result.purpose, result.cost, result.comments)
        typer.echo(f"{target.relative_to(Paths(root).root)}: `ganline preset use {preset}` takes it")
