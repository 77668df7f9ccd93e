"""Commands about the data: `ganline pack`, `ganline etags` and `ganline drift`."""

from pathlib import Path
from typing import Annotated

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
