"""Run all checks, each with a timeout."""

import threading
from collections.abc import Iterator
from pathlib import Path

from pipeline.cli.doctor import machine, project, services
from pipeline.cli.doctor.finding import Check, Finding

CHECK_SECONDS = 60.0

CHECKS: tuple[Check, ...] = (
    machine.check_python,
    machine.check_packages,
    machine.check_onnxruntime_packages,
    machine.check_cuda,
    machine.check_onnxruntime_provider,
    machine.check_telemetry,
    project.check_disk,
    project.check_git,
    project.check_dvc,
    services.check_mlflow,
    services.check_prefect,
    services.check_dask,
    project.check_params,
)


def run_checks(
    root: Path, checks: tuple[Check, ...] | None = None, seconds: float = CHECK_SECONDS
) -> Iterator[Finding]:
    """Yield the findings of every check on the project in `root`.

    A check that raises, or that takes longer than `seconds`, is itself a finding.
    """
    for check in CHECKS if checks is None else checks:
        findings: list[Finding] = []
        thread = threading.Thread(target=collect_findings, args=(check, root, findings), daemon=True)
        thread.start()
        thread.join(seconds)
        yield from list(findings)
        if thread.is_alive():
            yield Finding("fail", name_of(check), f"no answer in {seconds:.0f} s", "a driver or server hangs")


def collect_findings(check: Check, root: Path, findings: list[Finding]) -> None:
    """Append the findings of one check; an exception becomes a finding."""
    try:
        findings.extend(check(root))
    except Exception as error:  # noqa: BLE001 - the doctor must not crash
        findings.append(Finding("fail", name_of(check), f"{type(error).__name__}: {error}"))


def name_of(check: Check) -> str:
    """Return the name of a check as findings show it."""
    return check.__name__.removeprefix("check_")
