"""Small untrained networks with one to three inputs and unusual sizes, exported once per session."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import torch
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from torch import Tensor, nn

from pipeline.gans.base import GAN, ExportSpec, Phase, View
from pipeline.gans.registry import build
from pipeline.gans.variants.dcgan.dcgan import DCGAN
from pipeline.gans.variants.dcgan.settings import DCGANSettings
from pipeline.gans.variants.srgan.settings import SRGANSettings
from pipeline.items import ItemSpec
from pipeline.serving.http.inference_service import InferenceService
from pipeline.serving.http.model_source import FileSource
from pipeline.serving.onnx.graph_export import export, name_tensors
from pipeline.serving.onnx.metadata import Metadata
from pipeline.serving.settings import ServeSettings
from tests.specs import image_spec
from tests.waiting import WAIT_SECONDS, wait_until

if TYPE_CHECKING:
    from pipeline.serving.http.uvicorn_server import UvicornServer


class Painter(nn.Module):
    """z [B, 12] and label [B] -> images [B, 3, 8, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 12)
        self.paint = nn.Sequential(
            nn.Linear(12, 3 * 64),
            nn.Unflatten(1, (3, 8, 8)),
            nn.Conv2d(3, 3, 3, padding=1),
            nn.BatchNorm2d(3),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, label: Tensor) -> Tensor:
        images: Tensor = self.paint(z + self.embed(label))
        return images


class Tiny(GAN):
    view = View("labelled")
    classes = 5

    def __init__(self) -> None:
        super().__init__()
        self.generator = Painter()

    def phases(self) -> list[Phase]:
        return []

    def sample(self, n: int, rng: torch.Generator, **conditions: Tensor) -> Tensor:
        images: Tensor = self.generator(torch.randn(n, 12, generator=rng), conditions["label"])
        return images

    def export(self) -> list[ExportSpec]:
        return [
            ExportSpec(
                "generator",
                self.generator,
                {"z": torch.zeros(2, 12), "label": torch.zeros(2, dtype=torch.int64)},
                ("images",),
            )
        ]


class Styled(nn.Module):
    """z [B, 6], label [B] and psi [B] -> images [B, 1, 8, 8] and w [B, 4]; psi 0 ignores z and label."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.style = nn.Embedding(30, 6), nn.Linear(6, 4)
        self.paint = nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, z: Tensor, label: Tensor, psi: Tensor) -> tuple[Tensor, Tensor]:
        w = self.style(z + self.embed(label)) * psi[:, None]
        return self.paint(w), w


class ExportedGraph(NamedTuple):
    path: Path
    spec: ExportSpec
    metadata: Metadata


def describe(
    resolution: int = 16,
    channels: int = 1,
    class_names: Sequence[str] = ("zero", "naïve", '"three"'),
    **changes: object,
) -> Metadata:
    """Return metadata of a model of square images."""
    item = ItemSpec(height=resolution, width=resolution, channels=channels, classes=tuple(class_names))
    values: Mapping[str, object] = {
        "version": "0.1.0",
        "variant": "dcgan",
        "item": item,
        "latent": 24,
        "dataset_name": "digits",
        "dataset_fingerprint": "f" * 64,
        "images_seen": 1000,
        "git_commit": "c" * 40,
        "mlflow_run": "0123456789abcdef" * 2,
        "verdict": "pass",
        "fid": 12.5,
        "protocol": "classifier features, 5000 samples, seed 0",
    }
    return Metadata.model_validate({**values, **changes})


@pytest.fixture(scope="session", name="describe")
def describe_fixture() -> Callable[..., Metadata]:
    return describe


@pytest.fixture(scope="session")
def dcgan() -> DCGAN:
    """The real DCGAN at 16 x 16, with batch statistics that differ from their initial values."""
    torch.manual_seed(3)
    gan = DCGAN(
        DCGANSettings(latent=24, generator_channels=8, discriminator_channels=8, max_channels=32), image_spec(16, 1, 3)
    )
    for _ in range(5):
        gan.generator(torch.randn(32, 24))
    return gan.eval()


@pytest.fixture(scope="session")
def plain_graph(dcgan: DCGAN, tmp_path_factory: pytest.TempPathFactory) -> ExportedGraph:
    spec = name_tensors(dcgan.export()[0], describe().item)
    path = tmp_path_factory.mktemp("exported") / "generator.onnx"
    export(spec, path, describe().pairs(), 20)
    return ExportedGraph(path, spec, describe())


@pytest.fixture(scope="session")
def labelled_graph(tmp_path_factory: pytest.TempPathFactory) -> ExportedGraph:
    torch.manual_seed(4)
    (spec,) = Tiny().eval().export()
    path = tmp_path_factory.mktemp("conditional") / "generator.onnx"
    metadata = describe(resolution=8, channels=3, latent=12, class_names=list("abcde"))
    export(spec, path, metadata.pairs(), 20)
    return ExportedGraph(path, spec, metadata)


@pytest.fixture(scope="session")
def styled_graph(tmp_path_factory: pytest.TempPathFactory) -> ExportedGraph:
    torch.manual_seed(5)
    inputs = {"z": torch.zeros(2, 6), "label": torch.zeros(2, dtype=torch.int64), "psi": torch.ones(2)}
    spec = ExportSpec("generator", Styled().eval(), inputs, ("images", "w"))
    path = tmp_path_factory.mktemp("styled") / "generator.onnx"
    metadata = describe(variant="stylegan2", resolution=8, latent=6, class_names=[f"kind {k}" for k in range(30)])
    export(spec, path, metadata.pairs(), 20)
    return ExportedGraph(path, spec, metadata)


def photographs(name: str, **changes: Any) -> Metadata:
    """Return metadata of an untrained image-to-image generator."""
    return describe(
        **{
            "variant": name,
            "channels": 3,
            "latent": 0,
            "class_names": [],
            "task": "restore",
            "multiple": 1,
            "fid": None,
            **changes,
        }
    )


@pytest.fixture(scope="session")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real SRGAN with scale 2."""
    torch.manual_seed(0)
    settings = SRGANSettings.model_validate(
        {"generator_channels": 4, "blocks": 1, "kernel": 3, "pretraining": 1, "scale": 2}
    )
    gan = build(settings, image_spec(16, 3)).eval()
    path = tmp_path_factory.mktemp("larger") / "srgan3.onnx"
    export(name_tensors(gan.export()[0], image_spec(16, 3)), path, photographs("srgan", scale=2).pairs(), 20)
    return path


class Styler(nn.Module):
    """image [B, 3, H, W] and z [B, 8] -> images [B, 3, H, W]; z changes the result."""

    def __init__(self) -> None:
        super().__init__()
        self.style, self.conv = nn.Linear(8, 6), nn.Conv2d(3, 6, 3, padding=1)
        self.paint = nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        images: Tensor = torch.tanh(self.paint(self.conv(image) + self.style(z)[:, :, None, None]))
        return images


class Style(nn.Module):
    """image [B, 3, H, W] -> z [B, 8]."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        z: Tensor = 10 * self.conv(image).mean(dim=(2, 3))
        return z


@pytest.fixture(scope="session")
def style_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as DRIT exports it: generator.onnx and reverse.onnx with z, style_a.onnx and style_b.onnx."""
    torch.manual_seed(6)
    folder = tmp_path_factory.mktemp("styles")
    image = torch.zeros(2, 3, 16, 16)
    pairs = photographs("drit", latent=8, task="translate").pairs()
    for name in ("generator", "reverse"):
        export(
            ExportSpec(name, Styler().eval(), {"image": image, "z": torch.zeros(2, 8)}, ("images",), 1),
            folder / f"{name}.onnx",
            pairs,
            20,
        )
    for name in ("style_a", "style_b"):
        export(ExportSpec(name, Style().eval(), {"image": image}, ("z",), 1), folder / f"{name}.onnx", pairs, 20)
    return folder


class Tinter(nn.Module):
    """image [B, 3, H, W], label [B], and z [B, 4] or a reference [B, 3, H, W] -> images [B, 3, H, W]."""

    def __init__(self) -> None:
        super().__init__()
        self.tint = nn.Embedding(3, 3)
        self.style = nn.Linear(4, 3)

    def forward(self, image: Tensor, label: Tensor, other: Tensor) -> Tensor:
        style = self.style(other) if other.ndim == 2 else other.mean(dim=(2, 3))
        images: Tensor = torch.tanh(image + (self.tint(label) + style)[:, :, None, None])
        return images


@pytest.fixture(scope="session")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as StarGAN exports it: generator.onnx with label and z, example.onnx with label and reference."""
    torch.manual_seed(8)
    folder, network = tmp_path_factory.mktemp("classes"), Tinter().eval()
    given = {"image": torch.zeros(2, 3, 16, 16), "label": torch.zeros(2, dtype=torch.int64)}
    metadata = photographs(
        "stargan", latent=4, task="translate", multiple=0, class_names=["spring", "summer", "old winter"]
    )
    for name, other in (("generator", {"z": torch.zeros(2, 4)}), ("example", {"reference": torch.zeros(2, 3, 16, 16)})):
        spec = ExportSpec(name, network, given | other, ("images",))
        export(spec, folder / f"{name}.onnx", metadata.pairs(), 20)
    return folder


@pytest.fixture(scope="session")
def fixed_size_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A graph for images of one size, as pix2pix exports it."""
    torch.manual_seed(7)
    paint = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 3, 3, padding=1), nn.Tanh()).eval()
    path = tmp_path_factory.mktemp("square") / "generator.onnx"
    spec = ExportSpec("generator", paint, {"image": torch.zeros(2, 3, 16, 16)}, ("images",))
    export(spec, path, photographs("pix2pix", multiple=0, task="translate").pairs(), 20)
    return path


# The default of 5 s is too short for a busy machine.
for name in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, name, WAIT_SECONDS)


class Running(NamedTuple):
    url: str
    service: InferenceService


@contextmanager
def running(path: Path, **settings: Any) -> Iterator[Running]:
    """Run the service on a free port in a thread."""
    with running_server(path, **settings) as (url, server):
        yield Running(url, server.service)


@contextmanager
def running_server(path: Path, **settings: Any) -> Iterator[tuple[str, "UvicornServer"]]:
    """Run the service as `running` does; yields its URL and the server."""
    from pipeline.serving.http.uvicorn_server import UvicornServer

    service = InferenceService(FileSource(path), ServeSettings(**{"port": 0, "poll": 0.05, **settings}))
    listening = socket.create_server(("127.0.0.1", 0))
    server = UvicornServer(service)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:

        def is_up() -> bool:
            assert thread.is_alive()
            return bool(server.started)

        wait_until(is_up, "the service does not start", pause=0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", server
    finally:
        server.should_exit = True
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive(), "the service does not end"


@pytest.fixture(scope="session", name="running")
def running_fixture() -> Callable[..., AbstractContextManager[Running]]:
    """`with running(path, **settings) as (url, service)`."""
    return running


@pytest.fixture(scope="session", name="running_server")
def running_server_fixture() -> Callable[..., AbstractContextManager[tuple[str, "UvicornServer"]]]:
    """`with running_server(path, **settings) as (url, server)`."""
    return running_server
