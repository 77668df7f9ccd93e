"""Ingest and validate many small images: speed, memory and size per image, and the time of `dvc repro` without changes.

    python -m benchmarks.ingest                            100,000 images
    python -m benchmarks.ingest --images 1000000           the table of README.md
    GANLINE_SCHEDULER=tcp://... python -m benchmarks.ingest

Writes noise of 16 x 16 gray pixels as PNGs into tars of 10,000, in ten classes. All files are in a temporary folder,
which needs about 2.5 kB for each image.
"""

import argparse
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil  # type: ignore[import-untyped]
from PIL import Image
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
SHARD_IMAGES = 10_000
SAMPLE_SECONDS = 0.1
MB = 1e6


@dataclass(frozen=True)
class Run:
    """A command that has ended.

    Attributes:
        seconds: Wall time.
        processor_seconds: Processor time of the process and of its children that have ended.
        peak: Most resident memory of the command's process, in bytes.
        tree: Most resident memory of the process and its children together, sampled.
    """

    seconds: float
    processor_seconds: float
    peak: int
    tree: int


def write_images(folder: Path, images: int) -> None:
    """Write `images` images into tars of 10,000."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for start in range(0, images, SHARD_IMAGES):
        with tarfile.open(folder / f"{start // SHARD_IMAGES:05d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for number in range(start, min(start + SHARD_IMAGES, images)):
                out = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (16, 16), dtype=np.uint8)).save(out, "PNG", compress_level=1)
                member = tarfile.TarInfo(f"class{number % 10}/{number:08d}.png")
                member.size = out.tell()
                out.seek(0)
                tar.addfile(member, out)


def make_project(folder: Path) -> None:
    """Copy the committed files of this checkout into a project whose source is data/images."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in names:
        if name and not name.startswith(("tests/", "docs/", "benchmarks/")) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yaml = YAML()
    values = yaml.load(folder / "params.yaml")
    values["data"] |= {"source": "data/images", "watch": "data/images", "resolution": 16, "channels": "gray"}
    yaml.dump(values, folder / "params.yaml")
    (folder / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")


def measure(command: Sequence[str], folder: Path) -> Run:
    """Run a command in a project and measure it. Raise RuntimeError if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(folder)}
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
    done, tree = threading.Event(), [0]

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            try:
                main = psutil.Process(process.pid)
                members = [main, *main.children(recursive=True)]
                tree[0] = max(tree[0], sum(member.memory_info().rss for member in members))
            except psutil.Error:
                continue

    thread = threading.Thread(target=sample)
    thread.start()
    assert process.stderr
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    done.set()
    thread.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{errors}")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, tree[0])


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    return (
        path.stat().st_size
        if path.is_file()
        else sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    )


def report(images: int, runs: Mapping[str, Run], sizes: Mapping[str, int]) -> str:
    """Format the measurements as a table."""
    rows = [("images", f"{images:,}")]
    for name, run in runs.items():
        rows.append((f"{name}: seconds", f"{run.seconds:.1f}"))
        if name.startswith("ganline"):
            rows.append((f"{name}: images/s", f"{images / run.seconds:,.0f}"))
            rows.append((f"{name}: images per second of processor time", f"{images / run.processor_seconds:,.0f}"))
            rows.append((f"{name}: peak memory of the process (MB)", f"{run.peak / MB:.0f}"))
            rows.append((f"{name}: with its children (MB)", f"{run.tree / MB:.0f}"))
    rows += [(f"{name}: bytes per image", f"{size / images:.1f}") for name, size in sizes.items()]
    return "\n".join(["| what | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ingest", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the files go (default: the system's temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="ganline-ingest-") as name:
        project = Path(name)
        make_project(project)
        begin = time.perf_counter()
        write_images(project / "data/images", options.images)
        sys.stderr.write(f"wrote {options.images:,} images in {time.perf_counter() - begin:.0f} s\n")
        commands = {
            "ganline ingest": [sys.executable, "-m", "pipeline", "ingest"],
            "ganline validate": [sys.executable, "-m", "pipeline", "validate"],
            "dvc commit (hashes all files)": ["dvc", "commit", "--force", "--quiet", "ingest", "validate"],
            "dvc repro without changes": ["dvc", "repro", "--quiet", "validate"],
        }
        runs = {}
        for title, command in commands.items():
            runs[title] = measure(command, project)
            sys.stderr.write(f"{title}: {runs[title]}\n")
        places = {
            "tars": "data/images",
            "shards": "data/dataset/shards",
            "manifest.parquet": "data/dataset/manifest.parquet",
            "index.parquet": "data/validated/index.parquet",
        }
        sys.stdout.write(
            report(options.images, runs, {title: size_of(project / place) for title, place in places.items()})
        )
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
