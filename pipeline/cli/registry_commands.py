"""Commands about the model registry: `ganline promote`, `ganline rollback` and `ganline lineage`."""

from typing import Annotated

import typer

from pipeline.stages.paths import project_root

registry_commands = typer.Typer()


@registry_commands.command()
def promote(
    *,
    accept_changes: Annotated[
        bool,
        typer.Option(
            "--accept-changes",
            help="Also promote a model whose inputs, outputs or class indices differ from the champion's.",
        ),
    ] = False,
    approve: Annotated[
        int | None,
        typer.Option(
            "--approve",
            metavar="VERSION",
            min=1,
            help="Approve the version of the exported model that is held. Its tags record who approved what, and when.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Register the exported model as challenger, and make it the champion if it is no worse than the current one.

    Champion and challenger are both run from their ONNX files under one protocol. FID and KID (restoration and paired
    translation: PSNR) must not be worse beyond their bootstrap interval, and diversity must not drop. Gate, lineage,
    parity and latency must pass. A model is held for approval if clients of the champion could not use it, or if the
    gate could not test it in an important respect, such as memorisation. Without a champion the absolute limits of
    `promote:` in params.yaml apply.

    The previous champion gets the alias `previous_champion`. A model that is held or not promoted is a normal outcome
    (exit code 0); metrics/promotion.json gives the reasons, and reports/promotion.html shows the model next to the
    champion. The command is idempotent.

    `dvc repro && ganline promote`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline promote` uses the registry of that server

    `ganline promote --accept-changes` approves a model with other inputs, outputs or class indices

    `ganline promote --approve 7` approves version 7, whatever it is held for
    """
    from pipeline.stages.commands import promote

    promote.run(project_root(), accept_changes=accept_changes, approve=approve)


@registry_commands.command()
def rollback() -> None:
    """Make `previous_champion` the champion again. The replaced version is never promoted again automatically.

    A second rollback goes back one more champion.

    `ganline rollback`

    `MLFLOW_TRACKING_URI=http://mlflow:5000 ganline rollback` uses the registry of that server
    """
    from pipeline.stages.commands import promote

    typer.echo(promote.roll_back(project_root()))


@registry_commands.command()
def lineage() -> None:
    """Check the chain from data to registry: dvc.lock, files, MLflow run, ONNX metadata and registry tags.

    Prints one line per link. Exit code 2 if a link is broken.

    `ganline lineage`

    `ganline lineage | grep -v ^agrees` shows only links that are broken or not recorded
    """
    from pipeline.stages.commands.lineage import chain

    links = chain(project_root())
    for link in links:
        typer.echo(f"{link.state:<8}{link}")
    raise typer.Exit(2 if any(link.state == "broken" for link in links) else 0)
