"""VGG19's features against torchvision's network, and errors for unusable weights files."""

from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.gans.networks.vgg import MEAN, STD, load_vgg19


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, torch.nn.Module]:
    """Return a weights file like torchvision's, with random weights, and the network they belong to."""
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    layers = make_layers(cfgs["E"])
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    torch.save(
        {f"features.{name}": value for name, value in layers.state_dict().items()}
        | {"classifier.0.bias": torch.zeros(3)},
        path,
    )
    return path, layers


@pytest.mark.parametrize("channels", [1, 3])
def test_features_equal_torchvisions_conv5_4(weights: tuple[Path, torch.nn.Module], channels: int) -> None:
    path, network = weights
    images = torch.rand(2, channels, 32, 48) * 2 - 1
    rgb = images.expand(-1, 3, -1, -1)
    normalised = ((rgb + 1) / 2 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        # features.34 is conv5_4, features.35 its ReLU.
        expected = network[:35](normalised)  # type: ignore[index]
        features = load_vgg19(path)(images)
    assert features.shape == (2, 512, 2, 3)
    torch.testing.assert_close(features, expected)
    assert not any(parameter.requires_grad for parameter in load_vgg19(path).parameters())


def test_unusable_files_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"model\.vgg: .*none\.pth: no such file\. Give the path of torchvision's vgg19"
    ):
        load_vgg19(tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.pth: not the weights of torchvision's VGG19"):
        load_vgg19(tmp_path / "text.pth")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: not the weights"):
        load_vgg19(tmp_path / "other.pth")
