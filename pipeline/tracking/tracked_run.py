"""MLflow, behind a few verbs: one run across the stages, and the registry of delivered models.

The store is the environment's MLFLOW_TRACKING_URI, else `mlflow.db` with `mlartifacts/` beside it at
the project's root. Only starting a run and registering a model can fail: what happens between waits
in a queue while the store is away, so a server that dies does not take training with it.
"""

import json
import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipeline.errors import InputError
from pipeline.tracking.mlflow_store import (
    address,
    artifacts,
    brief,
    connect,
    experiment_of,
    open_experiment,
    redacted,
    register,
    remote,
    unusable,
    warn,
)
from pipeline.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
VALUE_LENGTH = 6000
DIGEST_LENGTH = 36
CONTINUES = "ganline.continues"
REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "PERMISSION_DENIED"}
"""Answers that waiting does not change."""
PAUSE_FACTOR = 20
"""After a failed attempt that took t seconds nothing is tried for 20 t, so an absent store costs at most 5 % of the time."""


def start(
    settings: TrackingSettings, root: Path, *, run_id: str | None = None, tags: Mapping[str, str] | None = None
) -> "Run":
    """Opens a run: the one named by `run_id` where the store has it, else a new one tagged with the id it continues.

    Raises InputError within a minute when the store cannot be reached or the experiment was deleted.
    """
    uri = address(root)
    client = connect(uri)
    try:
        if run_id and (experiment := experiment_of(client, run_id)):
            client.update_run(run_id, status="RUNNING")
            run = Run(client, uri, settings.experiment, experiment, run_id)
            run.recall()
            return run
        experiment = open_experiment(client, settings.experiment, artifacts(uri, root))
        all_tags = {"mlflow.source.name": "ganline", **(tags or {})} | ({CONTINUES: run_id} if run_id else {})
        run = Run(
            client, uri, settings.experiment, experiment, client.create_run(experiment, tags=all_tags).info.run_id
        )
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - every backend raises its own: HTTP, SQL, credentials
        raise unusable(uri, error) from None
    if run_id:
        warn(
            f"run {run_id} is not in {redacted(uri)}; going on as the new run {run.id} (set MLFLOW_TRACKING_URI to where the first was recorded)"
        )
    return run


def resume(settings: TrackingSettings, root: Path, run_json: Path) -> "Run":
    """Continues the run that training left in models/run.json. Raises InputError when that file is missing or broken, and as `start`."""
    try:
        described = json.loads(run_json.read_text(encoding="utf-8"))
        run_id = described["run_id"]
    except FileNotFoundError:
        raise InputError(f"{run_json}: no such file; run `dvc repro train` first") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{run_json}: does not name an MLflow run ({error!r}); run `dvc repro -f train`") from None
    if not isinstance(run_id, str) or not run_id:
        raise InputError(f"{run_json}: run_id must be a run's id, not {run_id!r}; run `dvc repro -f train`")
    return start(settings, root, run_id=run_id)


class Run:
    """One MLflow run. Verbs never raise while the store is away: what they were given is kept and sent later, in order.

    As a context manager it ends FINISHED, FAILED on an error, KILLED on an interruption.
    """

    def __init__(self, client: "MlflowClient", uri: str, experiment: str, experiment_id: str, run_id: str) -> None:
        self.client = client
        self.uri = uri
        self.experiment = experiment
        self.experiment_id = experiment_id
        self.id = run_id
        self.params: dict[str, str] = {}
        self.steps: dict[str, int] = {}
        self.queue: deque[Callable[[], object]] = deque()
        self.not_before = 0.0
        self.warned = False

    def __enter__(self) -> "Run":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end("FINISHED" if kind is None else "FAILED" if issubclass(kind, Exception) else "KILLED")

    @property
    def last_step(self) -> int:
        """The last step of any curve in this run, -1 where there is none."""
        return max(self.steps.values(), default=-1)

    def describe(self) -> dict[str, str]:
        """What models/run.json holds; the address only where it is a server's, and without credentials."""
        return {"run_id": self.id, "experiment": self.experiment} | (
            {"tracking_uri": redacted(self.uri)} if remote(self.uri) else {}
        )

    def recall(self) -> None:
        """Reads what a continued run already holds, so that nothing is logged twice or contradicted."""
        data = self.client.get_run(self.id).data
        self.params = dict(data.params)
        self.steps = {
            key: max(point.step for point in self.client.get_metric_history(self.id, key)) for key in data.metrics
        }

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Nested mappings become dotted keys. A value that contradicts a continued run's is kept as the tag `param.<key>`."""
        from mlflow.entities import Param

        flat = {key: clipped(value) for key, value in flattened(values).items()}
        new = [Param(key, value) for key, value in flat.items() if key not in self.params]
        for chunk in chunks(new, PARAMS_PER_BATCH):
            self.send(partial(self.client.log_batch, self.id, params=chunk))
        self.tag({f"param.{key}": value for key, value in flat.items() if self.params.get(key, value) != value})
        self.params = flat | self.params

    def log_metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Numbers of one moment; entries that are not finite numbers are left out. Logging a name again adds a newer value."""
        from mlflow.entities import Metric

        now = milliseconds()
        metrics = [
            Metric(key, number, now, step or 0)
            for key, value in values.items()
            if (number := finite(value)) is not None
        ]
        for metric in metrics:
            self.steps[metric.key] = max(metric.step, self.steps.get(metric.key, -1))
        self.send_metrics(metrics)

    def log_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of curves, each with an integer "step", in rising order; steps that a curve already has are skipped (replays)."""
        from mlflow.entities import Metric

        now = milliseconds()
        metrics = []
        for row in rows:
            step = int(row["step"])
            for key, value in row.items():
                number = finite(value)
                if key == "step" or number is None or step <= self.steps.get(key, -1):
                    continue
                metrics.append(Metric(key, number, now, step))
                self.steps[key] = step
        self.send_metrics(metrics)

    def send_metrics(self, metrics: list[Any]) -> None:
        # A batch sent twice (the answer was lost) does no harm: the store drops points it already has, timestamps included.
        for chunk in chunks(metrics, METRICS_PER_BATCH):
            self.send(partial(self.client.log_batch, self.id, metrics=chunk))

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Stores a file, or a folder with all in it, among the run's artifacts."""
        put = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self.send(lambda: put(self.id, str(path), folder))

    def log_dataset(self, name: str, fingerprint: str, source: str, context: str = "training") -> None:
        """Records which data the run used: `fingerprint` shortened to MLflow's 36 characters, `source` as the parameters name it."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(
            name=name,
            digest=fingerprint[:DIGEST_LENGTH],
            source_type="ganline",
            source=json.dumps({"source": source, "fingerprint": fingerprint}),
        )
        self.send(
            lambda: self.client.log_inputs(
                self.id, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", context)])]
            )
        )

    def tag(self, values: Mapping[str, object]) -> None:
        """Sets tags; a tag set again is replaced."""
        from mlflow.entities import RunTag

        tags = [RunTag(key, clipped(value)) for key, value in values.items()]
        for chunk in chunks(tags, PARAMS_PER_BATCH):
            self.send(partial(self.client.log_batch, self.id, tags=chunk))

    def log_model(
        self,
        path: Path,
        signature: Mapping[str, Any],
        registered: str,
        *,
        sha256: str,
        tags: Mapping[str, object],
        files: Iterable[Path] = (),
    ) -> str:
        """Logs an ONNX file as an MLflow model with named tensors and registers it; returns the version.

        `signature` is exported/signature.json: "inputs" and "outputs", each with name, dtype and shape.
        `files` (card, signature) go beside the model. A file whose `sha256` is already registered is not
        registered again. Raises InputError when the store fails: an export that is not registered is not done.
        """
        try:
            return register(
                self.client,
                self.experiment_id,
                self.id,
                path,
                signature,
                registered,
                sha256,
                {key: clipped(value) for key, value in tags.items()},
                files,
            )
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            raise InputError(
                f"{redacted(self.uri)}: the model could not be registered as {registered}: {brief(error)}; mend the store and repeat"
            ) from None

    def end(self, status: Status = "FINISHED") -> None:
        """Sends what still waits and closes the run; what cannot be sent is lost with a warning."""
        self.not_before = 0.0
        self.send(lambda: self.client.set_terminated(self.id, status))
        if self.queue:
            warn(
                f"{len(self.queue)} entries of run {self.id} never reached {redacted(self.uri)}; the files under metrics/ and reports/ have the numbers"
            )

    def send(self, action: Callable[[], object]) -> None:
        """Runs queued actions in order, `action` last; on a failure keeps what is left for the next call."""
        from mlflow.exceptions import MlflowException

        self.queue.append(action)
        if time.monotonic() < self.not_before:
            return
        while self.queue:
            began = time.monotonic()
            try:
                self.queue[0]()
            except Exception as error:  # noqa: BLE001 - tracking must never end a training run
                if isinstance(error, FileNotFoundError) or (
                    isinstance(error, MlflowException) and error.error_code in REFUSALS
                ):
                    warn(f"an entry of run {self.id} was refused and is left out: {brief(error)}")
                else:
                    now = time.monotonic()
                    self.not_before = now + PAUSE_FACTOR * (now - began)
                    if not self.warned:
                        warn(
                            f"{redacted(self.uri)} does not answer ({brief(error)}); work goes on, entries wait and are sent when it does"
                        )
                        self.warned = True
                    return
            self.queue.popleft()
        self.warned = False


def flattened(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined with dots."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flattened(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def clipped(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= VALUE_LENGTH else text[: VALUE_LENGTH - 1] + "…"


def finite(value: object) -> float | None:
    """A number, numpy's included, that every backend takes; None for the rest (some backends refuse NaN and infinity)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    return float(value) if math.isfinite(value) else None


def chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def milliseconds() -> int:
    return time.time_ns() // 1_000_000
