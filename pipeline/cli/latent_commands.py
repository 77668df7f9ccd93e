"""`ganline directions` and `project`: what moves in the latent space of a generator, and where an image lies in it."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import InputError
from pipeline.stages.paths import project_root

latent_commands = typer.Typer()


@latent_commands.command()
def directions(
    samples: Annotated[
        int, typer.Option("-n", "--samples", min=64, help="Samples that attributes are related to latents by.")
    ] = 4000,
) -> None:
    """Find directions for `ganline sample --edit` in the exported generator, and measure what each changes.

    A generator with a mapping network (stylegan2) has directions in closed form (SeFa). All have one for each attribute
    of their items, such as slant, and one for each class if they are not asked for a class. The command writes
    exported/directions.json and reports/directions.png.

    `ganline directions`

    `ganline directions -n 16000` finds weak directions more precisely
    """
    from pipeline.stages.commands.directions import run

    run(project_root(), samples)


@latent_commands.command()
def project(
    *,
    image: Annotated[
        Path | None, typer.Argument(help="File of an image, decoded as those of the data.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="File to write; by default IMAGE with the suffix .npz.", show_default=False
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Class of the image, for models with labels; by default the closest.", show_default=False),
    ] = None,
    held_out: Annotated[
        int | None,
        typer.Option(min=1, help="Instead, project so many held-out images, and measure.", show_default=False),
    ] = None,
) -> None:
    """Find the latent whose generated image is closest to an image, to edit it with `ganline sample --latent`.

    The latent is found by optimisation: the styles of all layers if the generator has a mapping network (stylegan2),
    else z. The command prints the PSNR, and for comparison that of a generated image, and draws reports/projection.png.

    `ganline project photo.png -o photo.npz`

    `ganline sample --latent photo.npz --edit slant=+1.5 -o slanted.png`

    `ganline project --held-out 100` measures how close held-out images come, and how many keep their class
    """
    from pipeline.stages.commands import project as commands

    if (image is None) == (held_out is None):
        raise InputError("name an IMAGE, or --held-out with a number of images.")
    if held_out is not None:
        commands.project_held_out(project_root(), held_out)
    elif image is not None:
        commands.project_file(project_root(), image, output or image.with_suffix(".npz"), label)
