"""`ganline pack`: prepare data for a project."""

from pathlib import Path
from typing import Annotated

import typer

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
