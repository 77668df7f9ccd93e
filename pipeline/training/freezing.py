"""FreezeD (Mo 2020): the first layers of the discriminator stay as they are."""

from torch import nn

from pipeline.errors import InputError
from pipeline.gans.base import GAN, Phase


def freeze_discriminators(gan: GAN, phases: list[Phase], count: int) -> list[str]:
    """Freeze the first layers of each discriminator, from the image side.

    Args:
        gan: The variant.
        phases: Its phases; a network that only discriminator phases update is a discriminator.
        count: Layers to freeze. A layer is a convolution or a fully connected layer, with its bias and the
            normalisation after it.

    Returns:
        The names of the frozen layers.

    Raises:
        InputError: A discriminator would have no layer left to train.
    """
    of_generators = {name for phase in phases if phase.role == "generator" for name in phase.networks}
    names = dict.fromkeys(name for phase in phases if phase.role == "discriminator" for name in phase.networks)
    frozen = []
    for name in names:
        if name in of_generators:
            continue
        layers = layers_of(gan.get_submodule(name))
        if count and count >= len(layers):
            raise InputError(
                f"train.freeze_discriminator {count}: {name} has {len(layers)} layers. Set it to at most "
                f"{len(layers) - 1}"
            )
        for layer in list(layers)[:count]:
            for parameter in layers[layer]:
                parameter.requires_grad_(False)
            frozen.append(f"{name}.{layer}")
    return frozen


def layers_of(network: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of each layer by its name, in the order of the forward pass.

    Parameters of modules without a weight matrix, such as normalisations, belong to the layer before them.
    """
    modules: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        owner = name.partition(".parametrizations.")[0] if ".parametrizations." in name else name.rpartition(".")[0]
        modules.setdefault(owner, []).append(parameter)
    layers: dict[str, list[nn.Parameter]] = {}
    for owner, parameters in modules.items():
        if any(parameter.ndim > 1 for parameter in parameters) or not layers:
            layers[owner] = parameters
        else:
            layers[list(layers)[-1]] += parameters
    return layers
