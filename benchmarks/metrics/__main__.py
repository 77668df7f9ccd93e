"""Time and peak memory of metrics from features, compared with other packages and methods.

    python -m benchmarks.metrics              10,000 x 512 and 10,000 x 2048, three rounds
    python -m benchmarks.metrics --dims 512 --rounds 5
    python -m benchmarks.metrics --scaling    precision, recall, density and coverage up to 50,000 images

Every call runs in its own process, so that peak memory can be measured. Methods take turns within a round, and medians
are reported. On a busy machine, compare the CPU seconds. Features are normal with a decaying spectrum; the second set
is shifted slightly. All methods must agree.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.metrics.routes import ROUTES, Float32


def draw_features(n: int, dims: int, seed: int, offset: float) -> Float32:
    """Return random features [n, dims]."""
    scale = 1 / np.sqrt(1 + np.arange(dims) / 16)
    rng, out = np.random.default_rng(seed), np.empty((n, dims), np.float32)
    for start in range(0, n, 500):  # in parts, so that this peak does not hide the one that is measured
        rows = out[start : start + 500]
        rows[:] = rng.standard_normal(rows.shape) * scale + offset
    return out


def measure_here(metric: str, route: str, n: int, dims: int) -> None:
    """Measure one call in this process; print seconds, CPU seconds, growth of the peak memory in MiB, and the value."""
    import resource
    import time

    fake, real = draw_features(n, dims, 0, 0.02), draw_features(n, dims, 1, 0.0)
    chosen = ROUTES[metric][route]
    chosen.compute(fake[:300, :8].copy(), chosen.prepare(real[:300, :8].copy()))  # imports do not count
    reference = chosen.prepare(real)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, began_cpu = time.perf_counter(), time.process_time()
    value = chosen.compute(fake, reference)
    seconds, cpu = time.perf_counter() - began, time.process_time() - began_cpu
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "value": value}))


def measure(metric: str, route: str, n: int, dims: int) -> dict[str, float]:
    """Measure one call in a new process."""
    command = [sys.executable, "-m", "benchmarks.metrics", "--once", metric, route, str(n), str(dims)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measurement: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measurement


def compare_routes(metric: str, n: int, dims: int, rounds: int) -> list[str]:
    """Return a row for each method: medians over the rounds, and their ratios to ganline's."""
    measurements: dict[str, list[dict[str, float]]] = {route: [] for route in ROUTES[metric]}
    for _ in range(rounds):
        for route, values in measurements.items():
            values.append(measure(metric, route, n, dims))
    medians = {
        route: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for route, runs in measurements.items()
    }
    ours = medians["ganline"]
    return [
        f"| {metric} | {n:,} x {dims} | {route} | {m['seconds']:.2f} | {m['seconds'] / ours['seconds']:.1f} "
        f"| {m['cpu']:.2f} | {m['cpu'] / ours['cpu']:.1f} | {m['peak']:.0f} | {m['value']:.8g} |"
        for route, m in medians.items()
    ]


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.metrics", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=int, nargs="+", default=[512, 2048], help="feature dimensions")
    parser.add_argument("--items", type=int, default=10_000, help="items per set")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each route; medians are reported")
    parser.add_argument("--scaling", action="store_true", help="measure ganline's PRDC at up to 50,000 images instead")
    parser.add_argument("--out", type=Path, help="folder for the table; without it the result is only printed")
    parser.add_argument("--once", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.once:
        metric, route, n, dims = options.once
        measure_here(metric, route, int(n), int(dims))
        return
    lines = [
        "| metric | features | route | seconds | times ganline | CPU seconds | times ganline | peak MiB | value |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    if options.scaling:
        for n in (10_000, 20_000, 50_000):
            run = measure("prdc", "ganline", n, options.dims[0])
            lines.append(
                f"| prdc | {n:,} x {options.dims[0]} | ganline | {run['seconds']:.2f} "
                f"| | {run['cpu']:.2f} | | {run['peak']:.0f} | {run['value']:.6g} |"
            )
    else:
        for dims in options.dims:
            for metric in ROUTES:
                lines += compare_routes(metric, options.items, dims, options.rounds)
    text = "\n".join(lines) + "\n"
    print(text)
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / ("scaling.md" if options.scaling else "routes.md")).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
