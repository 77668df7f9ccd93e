"""Two users share PostgreSQL, an object store, an MLflow with passwords and a Prefect: the services of deploy/."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.services import COMPOSE, DEPLOY, Services, running, services
from tests.flows.project import write_params

ROOT = DEPLOY.parent
PARTS = ["dvc.yaml", "pipeline", "flows", "presets", "prefect.yaml", ".dvcignore", ".gitignore", "requirements.lock"]
STAGES = ("ingest", "validate", "train", "evaluate", "export")
for name in ("psycopg2", "moto", "dvc_s3", "flask_wtf"):
    pytest.importorskip(name, reason="needs pip install -e '.[team]' 'moto[server]'")


@dataclass(frozen=True)
class User:
    """A person with a checkout and an account."""

    name: str
    root: Path
    environment: dict[str, str]

    def try_running(self, *command: str) -> tuple[int, str]:
        """Run a command in the checkout; return its exit code and its output."""
        program = Path(sys.executable).parent / command[0]
        words = [str(program) if program.exists() else command[0], *command[1:]]
        done = subprocess.run(words, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def run(self, *command: str) -> str:
        """Run a command that must succeed, and return its output."""
        code, output = self.try_running(*command)
        assert code == 0, output
        return output

    def commit(self, message: str) -> None:
        """Commit everything."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with services(tmp_path_factory.mktemp("team")) as started:
        yield started


def add_user(team: Services, name: str, folder: Path) -> User:
    """Create an account, and return its user with an empty checkout."""
    password = f"the-password-of-{name}"
    body = json.dumps({"username": name, "password": password}).encode()
    passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, team.mlflow, "admin", team.admin_password)
    opener = urllib.request.build_opener(urllib.request.HTTPBasicAuthHandler(passwords))
    request = urllib.request.Request(
        f"{team.mlflow}/api/2.0/mlflow/users/create", body, {"Content-Type": "application/json"}
    )
    assert json.load(opener.open(request))["user"]["username"] == name
    account = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
    author = {f"GIT_{role}_{field}": name for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    settings = {"OMP_NUM_THREADS": "1", "PREFECT_HOME": str(folder / "prefect"), "HOME": str(folder)}
    (folder / name).mkdir()
    return User(name, folder / name, os.environ | team.client | account | author | settings)


def states(output: str) -> dict[str, bool]:
    """Return for each stage of `dvc repro` whether it ran."""
    return {stage: f"Running stage '{stage}'" in output for stage in STAGES}


@pytest.mark.slow
def test_two_users_train_share_and_promote(team: Services, tmp_path: Path) -> None:
    origin = tmp_path / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", origin], check=True)
    alice, bob = (add_user(team, name, tmp_path) for name in ("alice", "bob"))

    alice.run("git", "clone", "--quiet", str(origin), ".")
    for part in PARTS:
        (shutil.copytree if (ROOT / part).is_dir() else shutil.copy)(ROOT / part, alice.root / part)
    (alice.root / "params.yaml").write_text(write_params())
    (alice.root / "data" / "raw").mkdir(parents=True)
    for ignored in ("data/.gitignore", "data/raw/.gitignore"):
        shutil.copy(ROOT / ignored, alice.root / ignored)
    alice.run("dvc", "init", "--quiet")
    alice.run("dvc", "remote", "add", "--default", "store", "s3://dvc/digits")
    assert all(states(alice.run("dvc", "repro")).values())
    assert "promoted: chain-digits version 1" in alice.run("ganline", "promote")
    alice.commit("start")
    alice.run("dvc", "push")
    alice.run("git", "push", "--quiet", "origin", "HEAD:main")

    bob.run("git", "clone", "--quiet", str(origin), ".")
    bob.run("dvc", "pull", "--allow-missing")
    assert not any(states(bob.run("dvc", "repro")).values())
    assert "promoted: chain-digits version 1" in bob.run("ganline", "promote"), "the verdict in the registry is reused"
    assert "broken" not in bob.run("ganline", "lineage")
    bob.root.joinpath("params.yaml").write_text(write_params(images=4000))
    assert states(bob.run("dvc", "repro")) == dict.fromkeys(STAGES, True) | {"ingest": False, "validate": False}
    bob.run("ganline", "promote")
    verdict = json.loads((bob.root / "metrics" / "promotion.json").read_text())
    assert (verdict["version"], verdict["champion"]) == (2, 1)
    assert any(name.endswith("_verdict") for name in verdict), "both models were evaluated"
    bob.commit("longer training")
    bob.run("dvc", "push")
    bob.run("git", "push", "--quiet", "origin", "HEAD:main")

    stranger = User("stranger", bob.root, bob.environment | {"MLFLOW_TRACKING_PASSWORD": "guessed"})
    code, output = stranger.try_running("ganline", "promote")
    assert code == 2
    assert "MLFLOW_TRACKING_USERNAME" in output
    assert "Traceback" not in output

    worker = {**alice.environment, "GANLINE_CLONES": str(tmp_path / "clones")}
    command = [str(Path(sys.executable).parent / COMPOSE["services"]["worker"]["command"][0])]
    command += COMPOSE["services"]["worker"]["command"][1:]
    alice.run("git", "pull", "--quiet", "origin", "main")
    alice.run("prefect", "work-pool", "create", "ganline", "--type", "process")
    alice.run("prefect", "--no-prompt", "deploy", "--name", "weekly")
    with running(command, worker, tmp_path / "worker.log"):
        started = alice.run(
            "prefect",
            "deployment",
            "run",
            "retrain/weekly",
            "--watch",
            "--param",
            f"root={json.dumps(origin.as_uri())}",
        )
    for words in ("task-run.Unchanged * export", "Flow run finished successfully in 'Completed'"):
        assert words in started, started + (tmp_path / "worker.log").read_text()


@pytest.mark.slow
def test_mlflow_is_closed_without_a_password_and_open_under_its_name(team: Services) -> None:
    address = f"{team.mlflow}/api/2.0/mlflow/experiments/search?max_results=1"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "mlflow:5000"}))
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(address, headers={"Host": "elsewhere.example.com"}))
