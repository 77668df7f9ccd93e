"""All generated pages, and the function that writes them below docs/*/generated/."""

import re
from pathlib import Path

from ruamel.yaml import YAML

from docs.generate import commands, http, measures, parameters
from docs.generate.parameters import sentence
from pipeline.gans.registry import VARIANTS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
FOLDERS = ("reference/generated", "results/generated")


def pages() -> dict[str, str | bytes]:
    """Return every generated file by its path below docs/: the text of a page, or the bytes of a picture."""
    reference = {
        **parameters.pages(),
        **measures.pages(),
        "commands.md": commands.page(),
        "http.md": http.page(),
        "presets.md": presets(),
        "stages.md": stages(),
        "variants.md": variants(),
        "tensors.md": tensors(),
    }
    return {f"reference/generated/{name}": text for name, text in reference.items()} | benchmarks()


def write(folder: Path = DOCS) -> None:
    """Write the pages. Files that did not change keep their time, so that Sphinx reads only what changed."""
    wanted = {folder / name: text.encode() if isinstance(text, str) else text for name, text in pages().items()}
    existing = [path for name in FOLDERS for path in (folder / name).rglob("*") if path.is_file()]
    for path in set(existing) - set(wanted):
        path.unlink()
    for path, content in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)


def benchmarks() -> dict[str, str | bytes]:
    """Return the README files and result tables of the benchmarks, at the same relative places."""
    found: dict[str, str | bytes] = {}
    for readme in sorted((ROOT / "benchmarks").glob("*/README.md")):
        folder = readme.parent
        tables = sorted(folder.glob("results/*.md"))
        entries = "\n".join(f"results/{table.stem}" for table in tables)
        text = readme.read_text(encoding="utf-8")
        found[f"results/generated/{folder.name}/README.md"] = f"{text}\n```{{toctree}}\n:hidden:\n\n{entries}\n```\n"
        for table in tables:
            text = re.sub("^# ", "## ", table.read_text(encoding="utf-8"), flags=re.MULTILINE)
            page = f"results/generated/{folder.name}/results/{table.name}"
            found[page] = f"# {folder.name}: {table.stem}\n\n{text}"
            picture = table.with_suffix(".png")
            if picture.is_file():
                found[f"results/generated/{folder.name}/results/{picture.name}"] = picture.read_bytes()
                found[page] = f"# {folder.name}: {table.stem}\n\n{text}\n![{table.stem}]({picture.name})\n"
    return found


def presets() -> str:
    """Return the page on the presets, from the head of each file."""
    from pipeline.cli.presets import list_presets

    lines = [
        "# Presets",
        "",
        "`ganline preset use NAME` writes a complete, commented `params.yaml`. A preset states what differs from the",
        "defaults.",
        "",
    ]
    for preset in list_presets(ROOT):
        lines += [f"## `{preset.name}`", "", f"For {preset.purpose}", "", f"Cost: {preset.cost}", ""]
        lines += ["```yaml", preset.text.removeprefix(preset.header).strip(), "```", ""]
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


def tensors() -> str:
    """Return the page on the inputs and outputs of exported graphs, from their table."""
    from pipeline.items import ItemSpec
    from pipeline.serving.graph_tensors import TENSORS

    lines = [
        "# Inputs and outputs of exported graphs",
        "",
        "The first axis of every tensor is the batch. `exported/signature.json` lists the tensors of a model, with",
        "shapes.",
        "",
    ]
    images = ItemSpec(height=1, width=1, channels=1)
    for name, tensor in TENSORS.items():
        lines += [f"`{name}` ({tensor.dtype})", f": {sentence(tensor.explain(images))}"]
        if tensor.control is not None:
            lines += ["", f"  {tensor.control.usage}"]
        lines.append("")
    return "\n".join(lines)


def variants() -> str:
    """Return the table of variants, from their settings."""
    lines = ["# Variants", "", "| variant | what it is | task | trained on |", "|---|---|---|---|"]
    data = {
        "": "images",
        "paired": "pairs A and B",
        "domains": "two classes without pairs",
        "classes": "two or more classes without pairs",
    }
    for name, variant in VARIANTS.items():
        kind = variant.settings
        about = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        sides = "crops of images of any size" if kind.any_size else data[kind.sides]
        task = f"[{kind.task}](parameters/gate-{kind.task}.md)"
        lines.append(f"| [`{name}`](parameters/model-{name}.md) | {about} | {task} | {sides} |")
    return "\n".join([*lines, ""])
