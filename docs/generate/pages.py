"""All generated pages of the reference, and the function that writes them below docs/reference/generated/."""

import shutil
from pathlib import Path

from ruamel.yaml import YAML

from docs.generate import commands, http, parameters
from pipeline.gans.registry import VARIANTS

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "docs" / "reference" / "generated"


def pages() -> dict[str, str]:
    """Return every generated page by its path below docs/reference/generated/."""
    return {
        **parameters.pages(),
        "commands.md": commands.page(),
        "http.md": http.page(),
        "presets.md": presets(),
        "stages.md": stages(),
        "variants.md": variants(),
    }


def write(folder: Path = GENERATED) -> None:
    """Write the pages. Files that did not change keep their time, so that Sphinx reads only what changed."""
    wanted = {folder / name: text for name, text in pages().items()}
    for path in [path for path in folder.rglob("*.md") if path not in wanted]:
        path.unlink()
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def clean(folder: Path = GENERATED) -> None:
    """Remove the generated pages."""
    shutil.rmtree(folder, ignore_errors=True)


def presets() -> str:
    """Return the page on the presets, from the head of each file."""
    from pipeline.cli.presets import list_presets

    lines = [
        "# Presets",
        "",
        "`ganline preset use NAME` writes a preset to `params.yaml`. A preset states what differs from the defaults; the written file is complete.",
        "",
    ]
    for preset in list_presets(ROOT):
        lines += [f"## `{preset.name}`", "", f"For {preset.purpose}", "", f"Cost: {preset.cost}", ""]
    return "\n".join(lines)


def stages() -> str:
    """Return the page on the graph, from dvc.yaml."""
    graph = YAML(typ="safe").load(ROOT / "dvc.yaml")
    lines = ["# Stages", "", "The graph in `dvc.yaml`. `dvc repro` runs what is out of date, in this order.", ""]
    for name, stage in graph["stages"].items():
        lines += [f"## `{name}`", "", f"{stage['desc']}.", "", "Command", f": `{stage['cmd']}`", ""]
        for key, title in (
            ("params", "Parameters"),
            ("deps", "Depends on"),
            ("outs", "Writes"),
            ("metrics", "Metrics"),
            ("plots", "Plots"),
        ):
            items = [next(iter(item)) if isinstance(item, dict) else item for item in stage.get(key, [])]
            if items:
                lines += [title, ": " + ", ".join(f"`{item}`" for item in items), ""]
    return "\n".join(lines)


def variants() -> str:
    """Return the table of variants, from their settings."""
    lines = ["# Variants", "", "| variant | what it is | task | trained on |", "|---|---|---|---|"]
    data = {"": "images", "paired": "pairs A and B", "domains": "two classes without pairs"}
    for name, variant in VARIANTS.items():
        kind = variant.settings
        about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        sides = "crops of images of any size" if kind.any_size else data[kind.sides]
        lines.append(
            f"| [`{name}`](parameters/model-{name}.md) | {about} | [{kind.task}](parameters/gate-{kind.task}.md) | {sides} |"
        )
    return "\n".join([*lines, ""])
