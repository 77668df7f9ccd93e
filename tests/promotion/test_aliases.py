"""Aliases in a real store, with a kill before every single write."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from pipeline.errors import InputError
from pipeline.promotion.aliases import ROLLED_BACK, Registry
from pipeline.tracking.mlflow_store import SHA256, connect


class Killed(BaseException):
    """Simulates SIGKILL: the code under test must not catch it."""


class Mortal:
    """A client that raises Killed instead of its write number `lives`, counted from 0."""

    def __init__(self, client: MlflowClient, lives: int) -> None:
        self.client, self.lives = client, lives

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.client, name)
        if not name.startswith(("set_", "delete_")):
            return found

        def write(*arguments: Any, **named: Any) -> Any:
            if self.lives == 0:
                raise Killed
            self.lives -= 1
            return found(*arguments, **named)

        return write


@pytest.fixture(scope="module")
def store(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a store with a model of four versions, without aliases."""
    folder = tmp_path_factory.mktemp("registry")
    shutil.copy(empty_store, folder)
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    client.create_registered_model("m")
    for number in range(1, 5):
        made = folder / f"model{number}"
        made.mkdir()
        (made / "model.onnx").write_bytes(b"model %d" % number)
        client.create_model_version("m", made.as_uri(), tags={SHA256: hashlib.sha256(b"model %d" % number).hexdigest()})
    return folder / "mlflow.db"


@pytest.fixture
def client(store: Path, tmp_path: Path) -> MlflowClient:
    shutil.copy(store, tmp_path / "mlflow.db")
    return connect(f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def registry(client: MlflowClient) -> Registry:
    return Registry(client, "m")


def test_promotion_moves_the_aliases_and_is_idempotent(registry: Registry) -> None:
    assert registry.aliases() == {}
    for number in "123":
        for _ in range(2):
            registry.promote(number)
    assert registry.aliases() == {"champion": "3", "previous_champion": "2"}


def test_rollback_restores_earlier_champions_and_marks_later_ones(registry: Registry) -> None:
    for number in "123":
        registry.promote(number)
    assert registry.roll_back() == ("3", "2")
    assert registry.aliases() == {"champion": "2", "previous_champion": "1"}
    assert registry.roll_back() == ("2", "1")
    assert registry.aliases() == {"champion": "1"}
    assert [ROLLED_BACK in registry.version(number).tags for number in "123"] == [False, True, True]
    with pytest.raises(InputError, match="version 1 is the first champion"):
        registry.roll_back()
    registry.promote("4")
    assert registry.aliases() == {"champion": "4", "previous_champion": "1"}


def test_rollback_without_a_champion_is_an_error(registry: Registry) -> None:
    with pytest.raises(InputError, match="there is no champion yet"):
        registry.roll_back()


def promote(registry: Registry) -> None:
    registry.promote("3")


def roll_back(registry: Registry) -> None:
    registry.roll_back()


@pytest.mark.parametrize(
    ("act", "after"),
    [(promote, {"champion": "3", "previous_champion": "2"}), (roll_back, {"champion": "1"})],
)
def test_repeating_a_killed_command_completes_it(
    client: MlflowClient, registry: Registry, tmp_path: Path, act: Callable[[Registry], None], after: dict[str, str]
) -> None:
    registry.promote("1")
    registry.promote("2")
    deaths = 0
    while True:
        shutil.copy(tmp_path / "mlflow.db", tmp_path / "copy.db")
        copy = connect(f"sqlite:///{tmp_path / 'copy.db'}")
        try:
            act(Registry(Mortal(copy, deaths), "m"))  # type: ignore[arg-type]
            break
        except Killed:
            assert "champion" in Registry(copy, "m").aliases(), "there is a champion at any time"
            act(Registry(copy, "m"))
            assert Registry(copy, "m").aliases() == after, f"killed before write {deaths}"
            deaths += 1
    assert deaths >= 3
    assert Registry(copy, "m").aliases() == after


def test_downloads_are_verified(registry: Registry, store: Path, tmp_path: Path) -> None:
    assert registry.download("2", tmp_path).read_bytes() == b"model 2"
    (store.parent / "model3" / "model.onnx").write_bytes(b"another")
    with pytest.raises(InputError, match=r"m version 3.*is not the one that was registered"):
        registry.download("3", tmp_path / "3")
    shutil.rmtree(store.parent / "model4")
    with pytest.raises(InputError, match="m version 4: cannot read the model file"):
        registry.download("4", tmp_path / "4")


def test_errors_of_the_store_are_reported(empty_store: Path, tmp_path: Path) -> None:
    shutil.copy(empty_store, tmp_path)
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    with pytest.raises(InputError, match=r"registry failed \(get_model_version of m.*Check the store"):
        Registry(client, "m").version("1")
