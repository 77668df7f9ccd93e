"""The device itself: names and versions, and the speed of a large matrix product."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from benchmarks.gpu.machine import Machine, Values

MATRIX = 8192
QUERY = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]


def describe(machine: Machine) -> Values:
    """Return names and versions of the device, the driver and the libraries."""
    values = {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__}
    values |= {"onnxruntime": find_version("onnxruntime-gpu", "onnxruntime"), "onnx": find_version("onnx")}
    if not machine.is_cuda:
        return {"device": platform.processor() or platform.machine(), "threads": torch.get_num_threads(), **values}
    properties = torch.cuda.get_device_properties(machine.device)
    return {
        "device": properties.name,
        "memory_gib": properties.total_memory / 2**30,
        "multiprocessors": properties.multi_processor_count,
        "capability": f"{properties.major}.{properties.minor}",
        "driver": query_driver(),
        "cuda": torch.version.cuda or "",
        "cudnn": torch.backends.cudnn.version() or 0,  # type: ignore[no-untyped-call]
        "tf32_products": torch.backends.cuda.matmul.allow_tf32,
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        **values,
    }


def find_version(*packages: str) -> str:
    """Return the version of the first of these packages that is installed."""
    for package in packages:
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "not installed"


def query_driver() -> str:
    """Return the version of NVIDIA's driver."""
    try:
        done = subprocess.run(QUERY, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.splitlines()[0].strip() if done.stdout else "unknown"


def measure_peak(machine: Machine) -> Values:
    """Return operations per second of the product of two square matrices in each precision; the peak of other rows."""
    side = 256 if machine.small else MATRIX
    values = {}
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device=machine.device, dtype=dtype) for _ in range(2))
        machine.peaks[name] = machine.rate(lambda a=a, b=b: a @ b) * 2 * side**3  # type: ignore[misc]
        values[f"teraflops_{name}"] = machine.peaks[name] / 1e12
    return {"matrix": side, **values}
