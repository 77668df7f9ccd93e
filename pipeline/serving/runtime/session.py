"""ONNX Runtime sessions on CUDA if there is a GPU, otherwise on the CPU."""

import contextlib
import ctypes
import io
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import InputError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
PROVIDER_NAMES: dict[str, str] = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}

# Heuristic search and no TF32: a seed gives the same image after every start, and float32 means float32.
CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"}


def open_session(
    model: Path | bytes,
    name: str,
    *,
    provider: Provider = "auto",
    strict: bool = False,
    spin: bool = True,
    threads: int = 0,
) -> Any:
    """Return an `onnxruntime.InferenceSession` for a file or its bytes.

    Args:
        name: What error messages call the model.
        provider: "auto" is CUDA if there is a GPU, else the CPU. A provider that cannot run is replaced by the next
            of TensorRT, CUDA, CPU; `session.get_providers()[0]` is the one in use.
        strict: Raise instead of replacing the provider.
        spin: False lets idle threads sleep, which leaves the processor to other work in the process.
        threads: Threads that compute one node of the graph on the CPU; 0 takes all cores of the machine.

    Raises:
        InputError: ONNX Runtime cannot load the model, or not with a `strict` provider.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal only: a missing GPU is not an error
    options.intra_op_num_threads = threads
    if not spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[Any] = [CPU]
    if provider != "cpu" and gpus() > 0 and CUDA in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        providers = [(CUDA, CUDA_OPTIONS), CPU]
        if provider == "tensorrt" and TENSORRT in onnxruntime.get_available_providers():
            providers = [TENSORRT, *providers]
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # ONNX Runtime prints when it skips a provider
            session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=providers
            )
    except Exception as error:  # noqa: BLE001 - ONNX Runtime's exception classes derive from Exception alone
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"{name}: not a model that ONNX Runtime can run ({reason}). Run `dvc repro -f export`."
        ) from None
    active = session.get_providers()[0]
    if strict and active != PROVIDER_NAMES.get(provider, active):
        raise InputError(
            f"{name}: --strict-provider: {PROVIDER_NAMES[provider]} cannot run here, only {active}. "
            "See `ganline doctor`, choose another --provider, or omit --strict-provider."
        )
    return session


def median_ms(session: Any, inputs: Mapping[str, Any]) -> float:
    """Return the median wall time of one call in milliseconds.

    Measures 5 to 50 calls within about a second, after two warm-up calls.
    """
    times: list[float] = []
    for call in range(52):
        began = time.perf_counter()
        session.run(None, inputs)
        if call >= 2:
            times.append(time.perf_counter() - began)
        if len(times) >= 5 and sum(times) > 1:
            break
    return statistics.median(times) * 1000


def gpus() -> int:
    """Return the number of CUDA devices visible to this process; 0 without a driver.

    Asks the driver directly: ONNX Runtime lists CUDA wherever it was compiled in, and torch would have to be imported.
    """
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def usable_cores() -> int:
    """Return the number of physical cores, or fewer if CPU affinity or the quota of a cgroup allows fewer CPUs.

    ONNX Runtime counts the cores of the machine: in a container with a quota its threads would be throttled.
    """
    import joblib

    count: int = joblib.cpu_count(only_physical_cores=True)
    return count
