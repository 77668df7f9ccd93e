"""Start the services of deploy/compose.yaml as processes: their own commands and variables, but ports of this test."""

import os
import shutil
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from tests.waiting import find_free_port, wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
PASSWORDS = {
    line.partition("=")[0]: f"{number}-is-long-enough-for-a-test"
    for number, line in enumerate((DEPLOY / "example.env").read_text(encoding="utf-8").splitlines())
    if not line.startswith("#")
}
UNPRIVILEGED = "postgres"
"""PostgreSQL refuses to run as root; root starts it as this user."""


@dataclass(frozen=True)
class Services:
    """Running services: the address of MLflow, the password of its user `admin`, and the variables of a client."""

    mlflow: str
    admin_password: str
    client: dict[str, str]


def interpolate(value: Any) -> str:
    """Return a value of the file with its passwords, as compose would."""
    return Template(str(value).replace(":?set it in deploy/.env", "")).substitute(PASSWORDS)


def read_environment(service: str) -> dict[str, str]:
    """Return the variables of a service."""
    return {name: interpolate(value) for name, value in COMPOSE["services"][service]["environment"].items()}


def find_postgres() -> Path:
    """Return the folder of PostgreSQL's programs; skip the test without them."""
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    if found is None:
        pytest.skip("PostgreSQL is not installed")
    return Path(found).resolve().parent


def as_unprivileged(command: list[str]) -> list[str]:
    """Return a command for the user `postgres` if this process is root."""
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        pytest.skip("root cannot start PostgreSQL without setpriv")
    return ["setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups", *command]


@contextmanager
def running(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server in a process group of its own, and kill the group at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    """Return whether a server answers a request, whatever it says."""
    try:
        with urllib.request.urlopen(address, timeout=60):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


@contextmanager
def postgres(logs: Path) -> Iterator[dict[str, str]]:
    """Run PostgreSQL with the databases of deploy/databases.sql; yield the variables that name it."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:  # pytest's folders are closed to other users
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        with serve_postgres(folder, logs / "postgres.log") as address:
            yield address


@contextmanager
def serve_postgres(folder: Path, log: Path) -> Iterator[dict[str, str]]:
    """Create a database cluster in a folder and serve it."""
    import psycopg2

    programs, port, password = find_postgres(), find_free_port(), folder / "password"
    password.write_text(PASSWORDS["POSTGRES_PASSWORD"])
    address = {name: value for name, value in read_environment("prefect").items() if name.startswith("PG")}
    address |= {"PGHOST": "127.0.0.1", "PGPORT": str(port)}
    data, options = folder / "data", ["--auth=scram-sha-256", "--username=postgres", f"--pwfile={password}"]
    subprocess.run(
        as_unprivileged([str(programs / "initdb"), f"--pgdata={data}", *options]), check=True, stdout=subprocess.DEVNULL
    )
    server = [str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder), "-c", "fsync=off"]

    def connect() -> Any:
        try:
            return psycopg2.connect(host="127.0.0.1", port=port, user=address["PGUSER"], password=address["PGPASSWORD"])
        except psycopg2.OperationalError:
            return None

    with running(as_unprivileged(server), {}, log):
        connection = wait_until(connect, log.read_text)
        connection.autocommit = True
        lines = (DEPLOY / "databases.sql").read_text().splitlines()
        for statement in lines[1:]:
            connection.cursor().execute(statement)
        connection.close()
        yield address


@contextmanager
def objects(folder: Path) -> Iterator[dict[str, str]]:
    """Run an S3-compatible server with the buckets of compose.yaml; yield the variables that name it."""
    port = find_free_port()
    address = f"http://127.0.0.1:{port}"
    variables = read_environment("mlflow")
    client = {name: value for name, value in variables.items() if name.startswith("AWS_")}
    client["AWS_ENDPOINT_URL"] = address
    log = folder / "objects.log"
    with running(["moto_server", "-H", "127.0.0.1", "-p", str(port)], {}, log):
        wait_until(lambda: answers(address), log.read_text)
        command = [interpolate(word) for word in COMPOSE["services"]["buckets"]["command"]]
        script = DEPLOY / Path(command[1]).name
        subprocess.run([command[0], script, *command[2:]], env=os.environ | client, check=True)
        yield client


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Run everything that compose.yaml starts, except the worker."""
    ports = {"mlflow": find_free_port(), "prefect": find_free_port()}
    addresses = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
    changes = {
        "mlflow": {
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(ports["mlflow"]),
            "MLFLOW_SERVER_ALLOWED_HOSTS": f"mlflow:5000,127.0.0.1:{ports['mlflow']}",
            "MLFLOW_AUTH_CONFIG_PATH": str(DEPLOY / "mlflow-users.ini"),
        },
        "prefect": {
            "PREFECT_SERVER_API_HOST": "127.0.0.1",
            "PREFECT_SERVER_API_PORT": str(ports["prefect"]),
            "PREFECT_HOME": str(folder / "prefect"),
        },
    }
    with ExitStack() as stack:
        backends = stack.enter_context(postgres(folder)) | stack.enter_context(objects(folder))
        for name, changed in changes.items():
            command = [interpolate(word) for word in COMPOSE["services"][name]["command"]]
            environment = read_environment(name) | backends | changed
            stack.enter_context(running(command, environment, folder / f"{name}.log"))
        for name, address in addresses.items():
            wait_until(partial(answers, address), (folder / f"{name}.log").read_text, pause=0.5)
        client = {name: value for name, value in backends.items() if name.startswith("AWS_")}
        client |= {
            "MLFLOW_TRACKING_URI": addresses["mlflow"],
            "PREFECT_API_URL": f"{addresses['prefect']}/api",
            "PREFECT_API_AUTH_STRING": read_environment("worker")["PREFECT_API_AUTH_STRING"],
        }
        yield Services(addresses["mlflow"], PASSWORDS["MLFLOW_PASSWORD"], client)
