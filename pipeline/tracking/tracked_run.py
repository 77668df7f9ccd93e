"""One MLflow run across all stages.

The store is MLFLOW_TRACKING_URI, or `mlflow.db` and `mlartifacts/` in the project's root. Only starting a run and
registering a model can fail. All other calls are queued while the store is unreachable, so training continues if the
server goes down.
"""

import json
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from pipeline.errors import InputError
from pipeline.tracking.entries import chunks, clip_text, finite_number, flatten, milliseconds
from pipeline.tracking.mlflow_store import (
    CONTINUES,
    address,
    artifact_location,
    connect,
    experiment_of,
    find_successor,
    first_line,
    hide_credentials,
    is_server,
    open_experiment,
    store_error,
    warn,
)
from pipeline.tracking.model_registry import OnnxModel, register
from pipeline.tracking.run_json import read_run_id
from pipeline.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from mlflow import MlflowClient

Status = Literal["FINISHED", "FAILED", "KILLED"]

METRICS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
DIGEST_LENGTH = 36
REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "BAD_REQUEST", "PERMISSION_DENIED"}
"""Error codes that a retry does not change."""
PAUSE_FACTOR = 20
"""No retry for 20 t after a failed attempt of t seconds, so a store that is down takes at most 5 % of the time."""


def start(
    settings: TrackingSettings, root: Path, *, run_id: str | None = None, tags: Mapping[str, str] | None = None
) -> "Run":
    """Open the run `run_id`. If the store does not have it, open the run that continues it, or a new one for that.

    Raises:
        InputError: The store cannot be reached (within a minute), or the experiment was deleted.
    """
    uri = address(root)
    client = connect(uri)
    try:
        if run_id and (experiment := experiment_of(client, run_id)):
            return reopen(Run(client, uri, settings.experiment, experiment, run_id))
        experiment = open_experiment(client, settings.experiment, artifact_location(uri, root))
        if run_id and (successor := find_successor(client, experiment, run_id)):
            return reopen(Run(client, uri, settings.experiment, experiment, successor))
        all_tags = {"mlflow.source.name": "ganline", **(tags or {})} | ({CONTINUES: run_id} if run_id else {})
        run = Run(
            client, uri, settings.experiment, experiment, client.create_run(experiment, tags=all_tags).info.run_id
        )
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - every backend raises its own: HTTP, SQL, credentials
        raise store_error(uri, error) from None
    if run_id:
        warn(
            f"run {run_id} is not in {hide_credentials(uri)}; continuing as the new run {run.id} "
            "(set MLFLOW_TRACKING_URI to the store of the first run)"
        )
    return run


def reopen(run: "Run") -> "Run":
    """Set a run to RUNNING and read what it contains."""
    run.client.update_run(run.id, status="RUNNING")
    run.recall()
    return run


def resume(settings: TrackingSettings, root: Path, run_json: Path) -> "Run":
    """Continue the run that training recorded in models/run.json.

    Raises:
        InputError: The file is missing or invalid, or `start` fails.
    """
    return start(settings, root, run_id=read_run_id(run_json))


class Run:
    """One MLflow run. Calls do not raise while the store is unreachable: they are queued and sent later, in order.

    As a context manager the run ends FINISHED, FAILED on an error, KILLED on an interruption.
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
        """The last step of any metric of this run; -1 if there are none."""
        return max(self.steps.values(), default=-1)

    def describe(self) -> dict[str, str]:
        """Return the content of models/run.json. It includes the address of a server, without credentials."""
        return {"run_id": self.id, "experiment": self.experiment} | (
            {"tracking_uri": hide_credentials(self.uri)} if is_server(self.uri) else {}
        )

    def recall(self) -> None:
        """Read what a continued run already contains, so that nothing is logged twice."""
        data = self.client.get_run(self.id).data
        self.params = dict(data.params)
        # The public mapping has no steps. Of a metric MLflow keeps the value with the highest step.
        self.steps = {metric.key: metric.step for metric in data._metric_objs}

    def log_params(self, values: Mapping[str, Any]) -> None:
        """Log parameters; nested keys are joined with dots. A value that differs from the logged one becomes a tag."""
        from mlflow.entities import Param

        flat = {key: clip_text(value) for key, value in flatten(values).items()}
        new = [Param(key, value) for key, value in flat.items() if key not in self.params]
        for chunk in chunks(new, PARAMS_PER_BATCH):
            self.send(partial(self.client.log_batch, self.id, params=chunk))
        self.tag({f"param.{key}": value for key, value in flat.items() if self.params.get(key, value) != value})
        self.params = flat | self.params

    def log_metrics(self, values: Mapping[str, object], step: int | None = None) -> None:
        """Log the finite numbers of `values`. Logging a name again adds a newer value."""
        from mlflow.entities import Metric

        now = milliseconds()
        metrics = [
            Metric(key, number, now, step or 0)
            for key, value in values.items()
            if (number := finite_number(value)) is not None
        ]
        for metric in metrics:
            self.steps[metric.key] = max(metric.step, self.steps.get(metric.key, -1))
        self.send_metrics(metrics)

    def log_history(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Log rows of metrics, each with an integer "step", in rising order. Skip steps that were logged before."""
        from mlflow.entities import Metric

        now = milliseconds()
        metrics = []
        for row in rows:
            step = int(row["step"])
            for key, value in row.items():
                number = finite_number(value)
                if key == "step" or number is None or step <= self.steps.get(key, -1):
                    continue
                metrics.append(Metric(key, number, now, step))
                self.steps[key] = step
        self.send_metrics(metrics)

    def send_metrics(self, metrics: list[Any]) -> None:
        """Send metrics in batches. Sending a batch twice is idempotent: the store drops points it already has."""
        for chunk in chunks(metrics, METRICS_PER_BATCH):
            self.send(partial(self.client.log_batch, self.id, metrics=chunk))

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Log a file, or a folder with its content, as artifacts."""
        put = self.client.log_artifacts if path.is_dir() else self.client.log_artifact
        self.send(lambda: put(self.id, str(path), folder))

    def log_dataset(self, name: str, fingerprint: str, source: str, context: str = "training") -> None:
        """Log the data set that the run uses; `fingerprint` is shortened to MLflow's 36 characters."""
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
        """Set tags; existing tags are replaced."""
        from mlflow.entities import RunTag

        tags = [RunTag(key, clip_text(value)) for key, value in values.items()]
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
        """Log an ONNX file as an MLflow model and register it, unless its digest is registered already.

        Args:
            path: The ONNX file.
            signature: Content of signature.json: "inputs" and "outputs", each with name, dtype and shape.
            registered: Name of the registered model.
            sha256: Digest of the ONNX file.
            tags: Tags of the model and of the version.
            files: Files that are stored next to the model, such as the model card.

        Returns:
            The number of the version.

        Raises:
            InputError: The store fails.
        """
        clipped_tags = {key: clip_text(value) for key, value in tags.items()}
        model = OnnxModel(path, signature, sha256, clipped_tags, tuple(files))
        try:
            return register(self.client, self.experiment_id, self.id, registered, model)
        except Exception as error:  # noqa: BLE001 - every backend raises its own
            raise InputError(
                f"{hide_credentials(self.uri)}: cannot register the model {registered}: {first_line(error)}. "
                "Check that the store is reachable, then run the command again."
            ) from None

    def end(self, status: Status = "FINISHED") -> None:
        """Send queued entries and close the run. Entries that cannot be sent are dropped with a warning."""
        self.not_before = 0.0
        self.send(lambda: self.client.set_terminated(self.id, status))
        if self.queue:
            warn(
                f"{len(self.queue)} entries of run {self.id} could not be sent to {hide_credentials(self.uri)}; "
                "the numbers are in the files under metrics/ and reports/"
            )

    def send(self, action: Callable[[], object]) -> None:
        """Run the queued actions in order, then `action`. On a failure the rest stays in the queue."""
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
                    warn(f"an entry of run {self.id} was refused and is skipped: {first_line(error)}")
                else:
                    now = time.monotonic()
                    self.not_before = now + PAUSE_FACTOR * (now - began)
                    if not self.warned:
                        warn(
                            f"{hide_credentials(self.uri)} does not answer ({first_line(error)}); "
                            "the run continues, and entries are queued until it does"
                        )
                        self.warned = True
                    return
            self.queue.popleft()
        self.warned = False
