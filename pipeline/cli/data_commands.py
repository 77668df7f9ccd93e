"""Commands about the data: `ganline pack`, `divide`, `etags`, `drift` and `reference`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.stages.paths import project_root

data_commands = typer.Typer()


@data_commands.command()
def pack(
    folder: Annotated[Path, typer.Argument(help="Folder with the files, for example one folder per class.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="The archive; by default FOLDER.zip next to the folder.", show_default=False
        ),
    ] = None,
) -> None:
    """Write the files of a folder into one archive for data.source. DVC hashes one file faster than thousands.

    `ganline pack ~/photos -o data/raw/photos.zip`
    """
    from pipeline.stages.commands import pack as command

    archive, files = command.run(folder, output)
    typer.echo(f"{archive}: {files:,} files. Set data.source in params.yaml to it")


@data_commands.command()
def divide(
    by: Annotated[
        Literal["iid", "classes"], typer.Option(help="Divide the training items at random, or by class.")
    ] = "iid",
) -> None:
    """Give each worker of the variant mdgan a data set of its own, to try model.split: own on one machine.

    Writes data/workers/0, data/workers/1 and so on, and data/workers/server with the test split.

    `ganline divide --by classes`
    """
    from pipeline.stages.commands import divide as command

    for folder, items in command.run(project_root(), by):
        typer.echo(f"{folder}: {items:,} items")


@data_commands.command()
def etags() -> None:
    """Record the ETags of a remote data.source in data.watch, so that `dvc repro` notices a change.

    `ganline etags && dvc repro`
    """
    from pipeline.stages.commands import etags

    typer.echo(f"etags: {etags.run(project_root())}")


@data_commands.command()
def drift(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder that a relative data.source starts from; the default is the project.", show_default=False
        ),
    ] = None,
    ratio: Annotated[
        float,
        typer.Option(min=1.0, help="Distance over the distance between real images, beyond chance, that is drift."),
    ] = 2.0,
) -> None:
    """Compare new items of the source with the held-out items of the last run, in the features of the evaluation.

    `ganline drift`

    `ganline drift --ratio 1.5`
    """
    from pipeline.stages.commands.drift import run

    run(project_root(), data, ratio)


@data_commands.command()
def reference(
    name: Annotated[
        str | None, typer.Argument(help="Name of the statistics; without it, all are listed.", show_default=False)
    ] = None,
    split: Annotated[Literal["test", "train"], typer.Option(help="Split of the data to compute them from.")] = "test",
    against: Annotated[
        str | None,
        typer.Option(help="Print the Fréchet distance between two computed before.", show_default=False),
    ] = None,
) -> None:
    """Compute, list or compare reference statistics: mean and covariance of the data in the features of the evaluation.

    `ganline reference faces` writes references/faces.npz, which evaluate.reference takes

    `ganline reference` lists them with encoder, preprocessing and number of items

    `ganline reference faces --against new-faces` needs the same encoder and preprocessing on both sides
    """
    from pipeline.stages.commands import reference as commands

    if name is None:
        commands.list_all(project_root())
    elif against is None:
        commands.compute(project_root(), name, split)
    else:
        commands.compare(project_root(), name, against)
