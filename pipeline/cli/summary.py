"""What the line has made so far, and where it lies: the last words of `make run`."""

from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.stages import metrics_files
from pipeline.stages.paths import Paths

NUMBERS = (
    *("psnr", "gain", "ssim", "ssim_gain"),
    *("fid_excess", "cycle_error", "diversity_ratio"),
    *(
        "fid",
        "fid_ratio",
        "kid",
        "precision",
        "recall",
        "density",
        "coverage",
        "vendi_ratio",
        "duplicate_rate",
        "mode_kl",
    ),
)
WIDTH = 11


def summary(root: Path) -> str:
    """The verdict, the key numbers and the paths of the results. Raises InputError where nothing was evaluated yet."""
    paths = Paths(root)
    measured = read(paths.evaluation_metrics)
    lines = [("verdict", str(measured.get("verdict", "none")))]
    if reasons := measured.get("reasons"):
        lines.append(("because", "; ".join(map(str, reasons)) if isinstance(reasons, list) else str(reasons)))
    numbers = [f"{name} {value:.4g}" for name in NUMBERS if isinstance(value := measured.get(name), int | float)]
    if isinstance(modes := measured.get("modes_covered"), int) and (total := measured.get("modes_total")):
        numbers.append(f"modes {modes}/{total}")
    lines.append(("numbers", ", ".join(numbers) or "none"))
    if protocol := measured.get("protocol"):
        lines.append(("protocol", str(protocol)))
    for name, path in [
        ("samples", paths.samples),
        ("metrics", paths.evaluation_metrics.parent),
        ("report", paths.evaluation_report),
        ("generator", paths.generator),
    ]:
        lines.append((name, shown(path, root)))
    if paths.generator.exists():
        made = {
            "gain": "ganline apply photo.jpg -o restored.png",
            "dependence": "ganline apply photo.jpg -o translated.png",
        }
        lines.append(
            (
                "try it",
                next(
                    (use for name, use in made.items() if name in measured), "ganline sample -n 64 --seed 7 -o grid.png"
                ),
            )
        )
    return "\n".join(f"{name:<{WIDTH}}{text}" for name, text in lines)


def read(path: Path) -> dict[str, Any]:
    content = metrics_files.read(path, "dvc repro")
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no metrics; run `dvc repro -f evaluate`")
    return content


def shown(path: Path, root: Path) -> str:
    """A path relative to the project; the newest picture inside where it is a folder of pictures."""
    name = path.relative_to(root)
    if not path.exists():
        return f"{name}: not there; run `dvc repro`"
    pictures = sorted(path.glob("*.png")) if path.is_dir() else []
    return (
        f"{name}/ ({len(pictures)} pictures, the last {pictures[-1].name})"
        if pictures
        else f"{name}/"
        if path.is_dir()
        else str(name)
    )
