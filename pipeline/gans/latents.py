"""What a variant with a mapping network adds to the protocol of `pipeline.gans.base`."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class StyleBased(Protocol):
    """A variant whose mapping network turns z into a style that modulates its layers."""

    def style_weights(self) -> Tensor:
        """Return the weights [outputs, width] of all layers that read the style, one below the other."""
        ...
