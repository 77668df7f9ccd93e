"""The layers of StyleGAN2: equalised learning rates, low-pass filters, and convolutions that styles modulate.

Only ordinary convolutions are used, so that everything is twice differentiable and exports to ONNX. Weights are drawn
from N(0, 1) and scaled at run time (equalised learning rate, Karras 2018, section 4.1), so that Adam updates all layers
at the same relative speed.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, leaky_relu, linear

from pipeline.gans.networks.layers import full_precision


class ScaledLeakyReLU(nn.Module):
    """Leaky ReLU 0.2 times sqrt(2), which almost preserves the variance."""

    def forward(self, x: Tensor) -> Tensor:
        return leaky_relu(x, 0.2) * math.sqrt(2)


class EqualisedLinear(nn.Module):
    """[..., inputs] -> [..., outputs] with an equalised learning rate.

    Args:
        inputs: Length of the input.
        outputs: Length of the output.
        lr_factor: Factor of the layer's learning rate.
        initial_bias: Value that the bias starts from.
    """

    def __init__(self, inputs: int, outputs: int, lr_factor: float = 1.0, initial_bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr_factor)
        self.bias = nn.Parameter(torch.full((outputs,), initial_bias / lr_factor))
        self.gain, self.lr_factor = lr_factor / math.sqrt(inputs), lr_factor

    def forward(self, x: Tensor) -> Tensor:
        with full_precision(x):
            return linear(x.to(self.bias.dtype), self.weight * self.gain, self.bias * self.lr_factor)


class EqualisedConv(nn.Module):
    """[B, inputs, S, S] -> [B, outputs, S, S] with an equalised learning rate; `down` filters and halves the side."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, down: bool = False, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.padding, self.stride = (0, 2) if down else (kernel // 2, 1)
        # Pads for the filter (4 taps) and the strided kernel together, so that exactly half the side is left.
        self.filter = LowPassFilter(padding=(kernel + 1) // 2) if down else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(self.filter(x), self.weight * self.gain, self.bias, self.stride, self.padding)


class LowPassFilter(nn.Module):
    """The separable FIR filter [1, 3, 3, 1] on every channel, normalised to the sum `gain`, with zero padding."""

    taps: Tensor

    def __init__(self, gain: float = 1.0, padding: int = 1) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("taps", gain * torch.outer(taps, taps), persistent=False)
        self.padding = padding

    def kernel(self, channels: int) -> Tensor:
        """Return the taps as a depthwise kernel [channels, 1, 4, 4]."""
        return self.taps.expand(channels, 1, 4, 4).contiguous()

    def forward(self, x: Tensor) -> Tensor:
        """Filter [B, C, S, S] to [B, C, S + 2 padding - 3, S + 2 padding - 3]."""
        return conv2d(x, self.kernel(x.shape[1]), padding=self.padding, groups=x.shape[1])


class Upsample(LowPassFilter):
    """[B, C, S, S] -> [B, C, 2S, 2S]: zeros between the pixels, then the filter with a gain of 4."""

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        return conv_transpose2d(x, self.kernel(x.shape[1]), stride=2, padding=1, groups=x.shape[1])


class ModulatedConv(nn.Module):
    """[B, inputs, S, S] and styles [B, width] -> [B, outputs, S, S]; `up` doubles the side (section 2.2, eq. 1 and 3).

    The paper scales the weights per image. Scaling the input's channels before a shared convolution and the output's
    channels after it is equivalent, because convolution is linear.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, width: int, *, up: bool = False, demodulate: bool = True
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.gain = 1 / math.sqrt(inputs * kernel**2)
        self.affine = EqualisedLinear(width, inputs, initial_bias=1.0)
        self.filter, self.padding = LowPassFilter(gain=4.0) if up else None, kernel // 2
        self.demodulate = demodulate

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        style, weight = self.affine(w), self.weight * self.gain
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.filter is None:
            x = conv2d(x, weight, padding=self.padding)
        else:
            x = self.filter(conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.demodulate:
            with full_precision(x):
                scale = (style.square() @ weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
            x = x * scale.to(x.dtype)[:, :, None, None]
        return x
