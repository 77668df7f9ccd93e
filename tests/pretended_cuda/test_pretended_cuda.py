"""The pretended device finds planted mistakes, and computes what the CPU computes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.pretended_cuda import GPU, DeviceTensor, Mixed, pretend


def mix(values: Tensor) -> None:
    values + torch.ones(3)


def use_generator_of_the_cpu(values: Tensor) -> None:
    torch.rand(3, generator=torch.Generator(), device=GPU)


def use_generator_of_the_gpu(values: Tensor) -> None:
    torch.rand(3, generator=torch.Generator("cuda"))


def select_with_host_weights(values: Tensor) -> None:
    nn.functional.linear(values, torch.ones(2, 3))


@pytest.mark.parametrize("mistake", [mix, use_generator_of_the_cpu, use_generator_of_the_gpu, select_with_host_weights])
def test_what_cuda_refuses_raises(mistake: Callable[[Tensor], None]) -> None:
    with pretend(), pytest.raises(Mixed, match="device"):
        mistake(torch.zeros(3, device=GPU))


def test_a_device_tensor_is_no_array() -> None:
    with pretend(), pytest.raises(TypeError, match="can't convert cuda:0"):
        torch.zeros(3, device=GPU).numpy()


@pytest.mark.parametrize(
    "wait",
    [
        lambda values: float(values.sum()),
        lambda values: bool(values.sum() > 0),
        lambda values: values.tolist(),
        lambda values: values[values > 0],
        lambda values: values.cpu(),
        lambda values: values.to("cpu"),
        lambda values: torch.zeros(3).to(GPU),
        lambda values: torch.equal(values, values),
    ],
)
def test_waits_are_counted_by_line(wait: Callable[[Tensor], object]) -> None:
    with pretend("/tests/pretended_cuda/") as gpu:
        values = torch.ones(3, device=GPU)
        assert not gpu.waits
        wait(values)
        assert gpu.waits.total() >= 1, gpu.report()
        assert all(where.startswith("test_pretended_cuda.py:") for where in gpu.waits), gpu.report()


def test_copies_and_kernels_are_counted() -> None:
    with pretend("/tests/pretended_cuda/") as gpu:
        values = torch.tensor([1.0, 2.0], device=GPU)
        total = values + torch.ones(2).to(GPU, non_blocking=True)
        assert (gpu.copies.total(), gpu.waits.total()) == (2, 0)
        assert gpu.kernels["add.Tensor"] == 1
        assert total.device == GPU
        assert "2 x" not in gpu.report(), "the copies are on different lines"
        assert torch.equal(total.cpu(), torch.tensor([2.0, 3.0]))


def test_a_training_computes_what_the_cpu_computes() -> None:
    """Convolution, batch norm, penalty with a double backward pass, Adam; the same weights and inputs."""

    def train(device: torch.device) -> list[Tensor]:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Flatten(), nn.LazyLinear(1))
        images = torch.randn(4, 3, 8, 8)
        network(images)
        network.to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2, fused=True)
        for _ in range(3):
            inputs = images.to(device).requires_grad_()
            output = network(inputs)
            (slope,) = torch.autograd.grad(output.sum(), inputs, create_graph=True)
            optimizer.zero_grad()
            (output.mean() + slope.square().sum()).backward()
            optimizer.step()
        return [parameter.detach().cpu() for parameter in network.parameters()]

    expected = train(torch.device("cpu"))
    with pretend():
        found = train(GPU)
    for one, other in zip(expected, found, strict=True):
        assert not isinstance(other, DeviceTensor)
        torch.testing.assert_close(other, one, rtol=1e-4, atol=1e-6)


def test_an_exported_graph_is_on_the_host() -> None:
    network = nn.Linear(3, 2).eval()
    with pretend():
        program = torch.onnx.export(network, (torch.zeros(1, 3),), dynamo=True, verbose=False)
        assert torch.cuda.is_available()
        assert program is not None
        for module, inputs in ((network, torch.zeros(1, 3, device=GPU)), (nn.Linear(3, 2).to(GPU), torch.zeros(1, 3))):
            with pytest.raises(Mixed, match="all tensors of a graph on the host"):
                torch.onnx.export(module, (inputs,), dynamo=True)


def test_nothing_is_pretended_outside() -> None:
    before = torch.cuda.is_available(), torch.Generator, torch.autocast
    with pretend():
        assert torch.cuda.is_available()
    assert before == (torch.cuda.is_available(), torch.Generator, torch.autocast)
