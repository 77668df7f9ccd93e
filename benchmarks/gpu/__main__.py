"""Measure training, evaluation and serving on a GPU in a few minutes.

Each row is written as soon as it is measured: as a line of JSON to --out, and to a table next to it. A row that fails
is written with its error, and the others go on. With torch, numpy and pydantic only, rows for ONNX Runtime say what
is missing.

Examples:
    python -m benchmarks.gpu --out gpu.jsonl
    python -m benchmarks.gpu --minutes 3 --rows dcgan-32 --out dcgan.jsonl
    python -m benchmarks.gpu --device cpu --small --out small.jsonl
"""

import argparse
import faulthandler
import os
import sys
import tempfile
from pathlib import Path

GRACE = 30.0
"""Seconds after the limit at which a row that hangs ends the process."""


def main() -> int:
    """Run the benchmark; return 0 if no row failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="rows that would take longer are left out")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--small", action="store_true", help="tiny networks, to see that everything runs")
    parser.add_argument("--rows", nargs="+", metavar="TEXT", help="only rows whose name contains one of these")
    parser.add_argument("--out", type=Path, required=True, help="file for the lines of JSON; a table lies next to it")
    options = parser.parse_args()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # is read when CUDA starts
    import torch

    from benchmarks.gpu.machine import Machine
    from benchmarks.gpu.plan import plan
    from benchmarks.gpu.runner import Report, measure_all

    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device; add --device cpu --small to see that everything runs")
    limit = 60 * options.minutes
    faulthandler.dump_traceback_later(limit + GRACE, exit=True)
    steps = [step for step in plan() if not options.rows or any(text in step.name for text in options.rows)]
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(torch.device(options.device), options.small, Path(folder))
        with Report(options.out) as report:
            failed = measure_all(steps, machine, limit, report)
    faulthandler.cancel_dump_traceback_later()
    print(f"{options.out.with_suffix('.md')}: {len(steps)} rows, {failed} failed", file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
