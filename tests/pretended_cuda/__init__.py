"""A CUDA device that does not exist: tensors that report `cuda:0` and hold their values in main memory.

    with pretend() as gpu:
        ...                       # torch.device("cuda") works; the code under test needs no change
    print(gpu.report())           # kernels, host waits and copies, by the line of the project that asked for them

What a GPU refuses raises: tensors of both devices in one operation, a random generator of the other device, `.numpy()`
of a device tensor. Operations that wait for the device are counted: `item`, `float`, `bool`, `tolist`, masks as
indices, copies to the host. So are kernels and copies to the device. Values are those of the CPU up to rounding.

In C++ the tensors are CPU tensors; only Python sees another device. FakeTensor does not serve: it has no values, so
`float(loss)` raises, and a backward pass of its CUDA tensors asks the driver for a stream.
"""

from tests.pretended_cuda.device_tensor import GPU, DeviceTensor
from tests.pretended_cuda.gpu import Mixed, PretendedGpu
from tests.pretended_cuda.pretend import pretend

__all__ = ["GPU", "DeviceTensor", "Mixed", "PretendedGpu", "pretend"]
