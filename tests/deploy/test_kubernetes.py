"""deploy/kubernetes.yaml starts the same commands, with the same variables, as deploy/compose.yaml."""

import yaml

from tests.deploy.services import COMPOSE, DEPLOY


def test_kubernetes_runs_what_compose_runs() -> None:
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))
    deployments = {one["metadata"]["name"]: one for one in documents if one["kind"] == "Deployment"}
    assert set(deployments) == {"mlflow", "prefect", "worker"}
    shared = next(one["data"] for one in documents if one["kind"] == "ConfigMap")
    secrets = {line.partition("=")[0] for line in (DEPLOY / "example.env").read_text().splitlines() if line[0] != "#"}
    for name, deployment in deployments.items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        service = COMPOSE["services"][name]
        assert container["args"] == service["command"]
        given = {one["name"]: one for one in container["env"]}
        assert {*service["environment"]} <= {*given, *shared}, name
        references = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if "valueFrom" in one]
        assert {one["key"] for one in references} <= secrets
        same = {key: str(service["environment"][key]) for key in given if "value" in given[key]}
        differ = {key for key in same if key in service["environment"] and same[key] != given[key]["value"]}
        assert differ <= {"PREFECT_API_AUTH_STRING", "PREFECT_SERVER_API_AUTH_STRING"}, differ
