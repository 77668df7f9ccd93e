"""`ganline tune` on the digits: its result, the test split, and searches that are stopped or killed."""

import json
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from pipeline import params
from pipeline.cli import preset_file, presets
from pipeline.errors import InputError
from pipeline.stages.commands import tune
from tests.processes import run_ganline, start_ganline, wait_for_exit
from tests.waiting import wait_until

if TYPE_CHECKING:
    from mlflow.entities import Run
    from optuna import Study

pytest.importorskip("optuna", reason="needs pip install -e '.[tune]'")

PARAMS = """
data: {{resolution: 8}}
model: {{variant: dcgan, latent: 8, generator_channels: 4, discriminator_channels: 4, penalties: {{r1: 0.1, every: 4}}}}
train:
  {{device: cpu, batch_size: 32, total_images: {total},
    health: {{samples: 64, limits: {{distance: 0, near_duplicates: 1, diversity: 0, classes: 0, divergence: 1000}}}},
    learning_rate: {{generator: {{start: 0.000001, end: 0.0000001}}, discriminator: 0.000001}}}}
tune: {{trials: {trials}, checks: 9, seeds: 1, ranges: {ranges}}}
"""
RATES = "{train.learning_rate.generator: [0.002, 0.001], train.learning_rate.discriminator: [0.002, 0.001]}"


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A project that has digits, an MLflow store, presets, and a start with learning rates that are far too low."""
    shutil.copytree(digits / "data", tmp_path / "data")
    shutil.copy(digits / "mlflow.db", tmp_path)
    (tmp_path / "presets").mkdir()
    (tmp_path / "dvc.yaml").touch()
    write(tmp_path)
    return tmp_path


def write(root: Path, trials: int = 3, total: int = 1000, ranges: str = RATES) -> None:
    """Write params.yaml."""
    (root / "params.yaml").write_text(PARAMS.format(trials=trials, total=total, ranges=ranges))


def open_study(root: Path, kind: str = "") -> "Study":
    """Return the only study of the project, or its confirmation."""
    import optuna

    storage = f"sqlite:///{root / '.ganline' / 'tune.db'}"
    names = [name for name in optuna.get_all_study_names(storage) if name.endswith("-confirmation") == bool(kind)]
    return optuna.load_study(study_name=names[0], storage=storage)


def read_metrics(root: Path) -> dict[str, Any]:
    """Return metrics/tune.json."""
    values: dict[str, Any] = json.loads((root / "metrics" / "tune.json").read_text())
    return values


def test_a_search_leaves_a_confirmed_preset_a_page_and_nested_runs(project: Path) -> None:
    done = run_ganline(project, "tune")
    assert done.returncode == 0, done.stderr
    assert "confirmed: distance" in done.stdout
    metrics = read_metrics(project)
    assert metrics["better"] is True
    assert metrics["trials"] == 3
    assert metrics["distance_tuned"] < metrics["distance_start"]
    check_preset(project)
    check_page((project / "reports" / "tune.html").read_text())
    check_runs(project, metrics)
    assert not list((project / ".ganline" / "tune").glob("*"))  # no checkpoints are left

    repeated = run_ganline(project, "tune")
    assert "continued after 3 trials" in repeated.stderr
    assert repeated.stdout == done.stdout
    assert read_metrics(project) == metrics


def check_preset(project: Path) -> None:
    """The preset has the start's parameters but for the values of the best trial, and `preset use` takes it."""
    start = params.load(project / "params.yaml").model_dump(mode="json")
    text = (project / "presets" / "tuned.yaml").read_text()
    assert "# was 1e-06" in text
    presets.use(project, "tuned")
    tuned = params.load(project / "params.yaml").model_dump(mode="json")
    rates = tuned["train"].pop("learning_rate")
    start["train"].pop("learning_rate")
    assert tuned == start
    assert rates["generator"]["end"] == pytest.approx(rates["generator"]["start"] / 10)
    assert max(rates["discriminator"], rates["generator"]["start"]) > 0.0001
    write(project)


def check_page(page: str) -> None:
    """The page has the outcome and Optuna's plots, and loads nothing."""
    assert "Better values, confirmed" in page
    for heading in ("History", "Health checks", "Parallel coordinates", "train.learning_rate.generator"):
        assert heading in page
    assert "src=" in page
    assert "http" not in page.replace("http-equiv", "")


def list_runs(project: Path) -> "list[Run]":
    """Return all MLflow runs of the project."""
    from pipeline.tracking.mlflow_store import connect

    client = connect(f"sqlite:///{project / 'mlflow.db'}")
    return list(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]))


def check_runs(project: Path, metrics: Mapping[str, Any]) -> None:
    """Each trial and each training of the confirmation is a run in the run of the search."""
    runs = list_runs(project)
    parents = [run for run in runs if run.data.tags.get("ganline.tune") == metrics["study"]]
    assert len(parents) == 1
    assert parents[0].data.metrics["distance_tuned"] == pytest.approx(metrics["distance_tuned"])
    nested = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert len(nested) == len(runs) - 1 == 3 + 2
    assert any("train.learning_rate.generator" in run.data.params for run in nested)


@pytest.mark.slow
def test_no_trial_reads_the_test_split(project: Path) -> None:
    """Without the rows of the test split, a search has the same result."""
    write(project, trials=2, total=600)
    values = []
    for drop in (False, True):
        if drop:
            shutil.rmtree(project / ".ganline")
            path = project / "data" / "validated" / "index.parquet"
            table = pq.read_table(path)
            kept = [split == "train" for split in table.column("split").to_pylist()]
            assert 0 < sum(kept) < len(kept)
            pq.write_table(table.filter(kept), path)
        tune.run(project)
        trials = open_study(project).trials + open_study(project, "confirmation").trials
        values.append([(trial.value, trial.intermediate_values, trial.params) for trial in trials])
    assert values[0] == values[1]


def has_two_checks(root: Path) -> bool:
    """Return whether the first trial has reported two health checks."""
    if not (root / ".ganline" / "tune.db").exists():
        return False
    try:
        trials = open_study(root).trials
    except Exception:  # noqa: BLE001 - the tables are being created
        return False
    return bool(trials) and len(trials[0].intermediate_values) >= 2


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_search_that_ends_in_a_trial_resumes_with_it(project: Path, how: signal.Signals, tmp_path: Path) -> None:
    """Finished trials are kept, and the one that ran goes on from its checkpoint with its values."""
    write(project, trials=2, total=12_000, ranges="{train.learning_rate.generator: [0.002, 0.001]}")
    log = tmp_path / "log"
    with start_ganline(project, "tune", output=log, errors=log) as child:
        wait_until(lambda: has_two_checks(project) or not child.is_alive(), log.read_text)
        assert child.pid
        child.kill() if how == signal.SIGKILL else child.terminate()
        code = wait_for_exit(child)
    assert code == (130 if how == signal.SIGTERM else -signal.SIGKILL), log.read_text()
    assert ("continues with this trial" in log.read_text()) == (how == signal.SIGTERM)
    before = open_study(project).trials[0]
    done = run_ganline(project, "tune")
    assert done.returncode == 0, done.stderr
    lost, repeated, *_ = open_study(project).trials
    assert (lost.state.name, repeated.state.name) == ("FAIL", "COMPLETE")
    assert lost.params == repeated.params
    assert repeated.user_attrs["start"] is True
    first_checks = dict(list(before.intermediate_values.items())[:2])
    assert first_checks.items() <= repeated.intermediate_values.items()
    assert len(repeated.intermediate_values) == 9
    assert read_metrics(project)["trials"] == 2
    runs = [run for run in list_runs(project) if run.data.tags["mlflow.runName"] == "start"]
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_another_search_in_the_checkout_is_refused(project: Path) -> None:
    from pipeline.files import exclusive_lock

    with exclusive_lock(project / ".ganline" / "tune.lock", "tuning"), pytest.raises(InputError, match="is tuning"):
        tune.run(project)


def test_wrong_ranges_and_wrong_storage_are_refused(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tune.STORAGE, "postgresql://user:secret@127.0.0.1:1/tune")
    with pytest.raises(InputError, match=r"127\.0\.0\.1:1/tune: ") as error:
        tune.run(project)
    assert "secret" not in str(error.value)
    write(project, ranges="{train.learning_rat: [1, 2]}")
    with pytest.raises(InputError, match="did you mean"):
        tune.run(project)


def test_a_preset_of_a_person_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets" / "mine.yaml").write_text("# For:  my data\n# Cost: none\n")
    with pytest.raises(InputError, match="Choose another name"):
        preset_file.find_target(tmp_path, "mine")
    with pytest.raises(InputError, match="without folders"):
        preset_file.find_target(tmp_path, "../mine")
    assert preset_file.find_target(tmp_path, "tuned") == tmp_path / "presets" / "tuned.yaml"


@pytest.mark.parametrize("name", sorted(path.stem for path in (Path(__file__).parents[3] / "presets").glob("*.yaml")))
def test_a_written_preset_gives_the_same_parameters(name: str, tmp_path: Path) -> None:
    preset = Path(__file__).parents[3] / "presets" / f"{name}.yaml"
    wanted = params.parse(preset.read_text(), name)
    written = tmp_path / "presets" / "tuned.yaml"
    preset_file.write(written, wanted.model_dump(mode="json", by_alias=True), "a test", "none", {})
    assert params.parse(written.read_text(), name) == wanted
    assert len(written.read_text()) < 2 * len(preset.read_text()) + 200
