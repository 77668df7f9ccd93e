"""Tiny DVC projects, and a served schedule, for the tests of the flows."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.process import child_environment

DVC_YAML = """
stages:
  report:
    cmd: mkdir -p metrics && printf '{"fid":%s,"verdict":"pass"}' $(cat model.txt) > metrics/m.json
    deps: [model.txt]
    metrics: [{metrics/m.json: {cache: false}}]
  train:
    cmd: echo trained >> ../trainings.log && cp data.txt model.txt
    deps: [data.txt]
    params: [rate]
    outs: [model.txt]
  first:
    cmd: echo "hello from $DVC_STAGE" && cp seed.txt data.txt
    deps: [seed.txt]
    outs: [data.txt]
"""


def run_command(folder: Path, *words: str) -> str:
    """Run a command and return its output; fail with the output if it fails."""
    done = subprocess.run(words, cwd=folder, env=child_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def commit_all(root: Path, message: str) -> None:
    """Commit all changes in a git repository."""
    run_command(root, "git", "add", "--all")
    run_command(root, "git", "-c", "user.name=t", "-c", "user.email=t@t", "commit", "--quiet", "--message", message)


def write_params(images: int = 3000) -> str:
    """Return params.yaml for a tiny model that trains on `images` images."""
    from tests.gates import GateSettings

    gate = ", ".join(f"{name}: null" for name in GateSettings.model_fields if name != "significance")
    return f"""
data: {{resolution: 8, limit: 60, test_fraction: 0.5, watch: data/raw}}
model: {{variant: dcgan, latent: 16, generator_channels: 16, discriminator_channels: 16}}
train:
  device: cpu
  batch_size: 32
  total_images: {images}
  log_images: 500
  snapshot_images: 1500
  checkpoint_images: 1000
  health: {{images: 20000}}
validate: {{constant_std: 0.005}}
evaluate: {{samples: 300, gate: {{{gate}}}}}
promote:
  limits: {{fid_ratio: null}}
  floors: {{recall: null, coverage: null, vendi_ratio: null, modes_covered: null}}
  diversity: null
export: {{opset: 20}}
tracking: {{experiment: chain, model: chain-digits}}
"""


@dataclass(frozen=True)
class Project:
    """A folder with a pipeline of shell commands."""

    root: Path

    def dvc(self, *arguments: str) -> str:
        """Run `dvc` in the project and return its output."""
        return run_command(self.root, sys.executable, "-m", "dvc", *arguments)

    def write(self, dvc_yaml: str) -> None:
        """Replace the pipeline."""
        (self.root / "dvc.yaml").write_text(dvc_yaml)

    def one_stage(self, command: str, name: str = "a") -> None:
        """Replace the pipeline by one stage that depends on seed.txt."""
        body = "\n".join(f"      {line}" for line in command.splitlines())
        self.write(f"stages:\n  {name}:\n    cmd: |-\n{body}\n    deps: [seed.txt]\n")

    def set_rate(self, rate: float) -> None:
        """Write the parameter that the stage `train` depends on."""
        (self.root / "params.yaml").write_text(f"rate: {rate}\n")

    @property
    def trainings(self) -> int:
        """How often the stage `train` has run."""
        log = self.root.parent / "trainings.log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@dataclass(frozen=True)
class Schedule:
    """A schedule that is being served: its API's address, its project, and the environment of its clients."""

    address: str
    project: Project
    environment: dict[str, str]


def read_task_runs(flow_state: Any) -> dict[str, Any]:
    """Return the task runs of the flow run that ended in `flow_state`, by name, as the server has them."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    run = FlowRunFilter(id=FlowRunFilterId(any_=[flow_state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return {run.name: run for run in client.read_task_runs(flow_run_filter=run)}


def read_artifacts(flow_state: Any) -> list[Any]:
    """Return the artifacts of the flow run that ended in `flow_state`."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    of_run = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_state.state_details.flow_run_id]))
    with get_client(sync_client=True) as client:
        return list(client.read_artifacts(artifact_filter=of_run))


def read_flow_runs(deployment: str) -> list[Any]:
    """Return all flow runs of a deployment."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName

    by_name = DeploymentFilter(name=DeploymentFilterName(any_=[deployment]))
    with get_client(sync_client=True) as client:
        return list(client.read_flow_runs(deployment_filter=by_name))
