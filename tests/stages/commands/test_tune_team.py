"""Two machines share a study on PostgreSQL."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.stages.commands.tune import STORAGE
from tests.deploy.services import postgres
from tests.processes import start_ganline, wait_for_exit
from tests.stages.commands.test_tune import write

pytest.importorskip("optuna", reason="needs pip install -e '.[tune]'")
pytest.importorskip("psycopg2", reason="needs pip install -e '.[tune]'")
pytestmark = pytest.mark.slow


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    (tmp_path / "logs").mkdir()
    with postgres(tmp_path / "logs") as server:
        user, host = f"{server['PGUSER']}:{server['PGPASSWORD']}", f"127.0.0.1:{server['PGPORT']}"
        yield f"postgresql://{user}@{host}/postgres"


def test_machines_that_start_together_share_one_study(digits: Path, tmp_path: Path, storage: str) -> None:
    """No trial is run twice, and both have the same result."""
    import optuna

    roots = [tmp_path / name for name in ("one", "two")]
    with ExitStack() as stack:
        children = []
        for root in roots:
            shutil.copytree(digits, root)
            (root / "presets").mkdir()
            (root / "dvc.yaml").touch()
            write(root, trials=6)
            log, environment = root / "log", {STORAGE: storage}
            start = start_ganline(root, "tune", output=log, errors=log, environment=environment)
            children.append(stack.enter_context(start))
        codes = [wait_for_exit(child) for child in children]
    logs = [(root / "log").read_text() for root in roots]
    assert codes == [0, 0], "\n".join(logs)
    metrics = [json.loads((root / "metrics" / "tune.json").read_text()) for root in roots]
    assert metrics[0] == metrics[1]
    assert metrics[0]["better"] is True
    assert 6 <= metrics[0]["trials"] <= 7  # both may take the last one at the same time
    study = optuna.load_study(study_name=metrics[0]["study"], storage=storage)
    assert len({trial.user_attrs["place"] for trial in study.trials}) == 2
    confirmation = optuna.load_study(study_name=f"{metrics[0]['study']}-confirmation", storage=storage)
    finished = [trial for trial in confirmation.trials if trial.state.name == "COMPLETE"]
    assert len(finished) == len({(trial.params["trial"], trial.params["seed"]) for trial in finished}) == 2
    presets = [(root / "presets" / "tuned.yaml").read_text() for root in roots]
    assert presets[0] == presets[1]
