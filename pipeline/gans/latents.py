"""What variants that draw from latents add to the protocol of `pipeline.gans.base`: latents to edit and to find."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Invertible(Protocol):
    """A variant whose items are a differentiable function of a latent, and of a label if `classes` is above 0.

    Attributes:
        latent: Length of z.
        classes: Number of labels.
        condition: Name of what an item is asked for; see `GAN.condition`.
    """

    latent: int
    classes: int

    @property
    def condition(self) -> str: ...

    def encode(self, z: Tensor, label: Tensor) -> Tensor:
        """Return the latents [n, ...] that edits move: z, or the styles of each layer. `label` is ignored without."""
        ...

    def render(self, latents: Tensor, label: Tensor) -> Tensor:
        """Return the images [n, C, H, W] of latents, as the exported graph draws them; differentiable, not clamped."""
        ...


@runtime_checkable
class StyleBased(Protocol):
    """A variant whose mapping network turns z into a style that modulates its layers."""

    def style_weights(self) -> Tensor:
        """Return the weights [outputs, width] of all layers that read the style, one below the other."""
        ...
