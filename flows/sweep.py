"""The flow `sweep`: compare presets and seeds, each in its own clone.

`python -m flows.sweep --preset digits --preset stylegan2-digits --seed 0 --seed 1 --workers 2`

Each member is one task of a Dask cluster: local processes, or other machines that see the source and GANLINE_CLONES
under the same paths. Nothing is pushed or promoted. To adopt the best member, commit its parameters.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.artifacts import format_value
from flows.clone import Workspace, open_workspace, resolve_local_source
from flows.stages import ProjectError, StageFailed, list_stages, read_metrics, reproduce, run_ganline
from pipeline.errors import InputError

NUMBERS = ("fid", "fid_ratio", "kid", "precision", "recall", "coverage", "vendi_ratio", "modes_covered")
COLUMNS = ("member", "verdict", *NUMBERS, "seconds", "run")


@task(task_run_name="{member}", cache_policy=NO_CACHE, persist_result=False)
def run_member(root: str, member: str, preset: str | None, seed: int | None) -> dict[str, Any]:
    """Run all stages with one preset and seed; return its table row. A failure becomes a row, and the others go on."""
    log = get_run_logger().info
    try:
        with open_workspace(root, own_clone=True, member=member) as work:
            configure(work, preset, seed, log)
            for stage in list_stages(work.root):
                reproduce(work.root, stage, log, work.settings)
            return build_row(member, read_metrics(work.root), work.root)
    except (ProjectError, StageFailed, InputError) as error:
        return {"member": member, "verdict": str(error).splitlines()[0]}


def configure(work: Workspace, preset: str | None, seed: int | None, log: Callable[[str], None]) -> None:
    """Write a preset and train.seed to the clone's params.yaml.

    Raises:
        StageFailed: `ganline preset use` failed.
        InputError: The parameters are not valid.
    """
    from ruamel.yaml import YAML

    from pipeline import params

    if preset is not None:
        run_ganline(work.root, ["preset", "use", preset], log, work.settings)
    path = work.root / "params.yaml"
    if seed is not None:
        yaml = YAML()
        values = yaml.load(path.read_text(encoding="utf-8")) or {}
        values.setdefault("train", {})["seed"] = seed
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)
    params.load(path)


def build_row(member: str, metrics: Mapping[str, Mapping[str, Any]], root: Path) -> dict[str, Any]:
    """Return the table row of one member."""
    from pipeline.stages.metrics_files import read
    from pipeline.stages.paths import Paths

    values = {key: value for file in metrics.values() for key, value in file.items() if key in (*NUMBERS, "verdict")}
    seconds = metrics.get("metrics/train.json", {}).get("seconds")
    run = read(Paths(root).run, "dvc repro train")["run_id"]
    return {"member": member, **values, "seconds": seconds, "run": run}


@flow(name="sweep", log_prints=False, persist_result=False)
def sweep(root: Path | str = Path(), presets: Sequence[str] = (), seeds: Sequence[int] = ()) -> State[Any]:
    """Run every preset with every seed; return the rows, lowest FID ratio first.

    Leaves the table artifact `sweep`, and an MLflow run with the members' runs as its children. Members run one after
    the other unless the flow has a task runner, as `main` gives it.

    Args:
        root: The project: a folder, or any address that git accepts.
        presets: Names from `ganline preset list`; if empty, the project's own params.yaml.
        seeds: Values of train.seed; if empty, the seed of the parameters.
    """
    try:
        local = resolve_local_source(root)
    except ProjectError as error:
        return Failed(message=str(error), data=error)
    source = str(local or root)
    default: list[None] = [None]
    members = [(preset, seed) for preset in (presets or default) for seed in (seeds or default)]
    futures = [run_member.submit(source, member_name(preset, seed), preset, seed) for preset, seed in members]
    rows: list[dict[str, Any]] = []
    for (preset, seed), future in zip(members, futures, strict=True):
        value = future.result(raise_on_failure=False)
        failed = {"member": member_name(preset, seed), "verdict": str(value)}
        rows.append(value if isinstance(value, dict) else failed)
    rows.sort(key=lambda row: (row.get("fid_ratio") is None, row.get("fid_ratio")))
    create_table_artifact(key="sweep", table=format_rows(rows), description="lowest FID ratio first")
    if local is not None:
        record_sweep(local, rows)
    best = rows[0]
    if best.get("fid_ratio") is None:
        message = f"no member of {len(rows)} has a FID ratio; the first: {best['member']}: {best['verdict']}"
        return Failed(message=message, data=rows)
    message = f"best of {len(rows)}: {best['member']} (FID ratio {best['fid_ratio']:.3g}, {best['verdict']})"
    return Completed(message=message, data=rows)


def member_name(preset: str | None, seed: int | None) -> str:
    """Return the name of a member, from its preset and seed."""
    parts = [preset or "params", f"seed-{seed}" if seed is not None else ""]
    return "-".join(filter(None, parts))


def format_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the rows as text, with a value for every column."""
    return [{column: format_value(row.get(column, "")) for column in COLUMNS} for row in rows]


def record_sweep(root: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Create an MLflow run with the table, as the parent of the members' runs.

    Raises:
        InputError: The store does not answer.
    """
    from pipeline import params
    from pipeline.tracking import tracked_run
    from pipeline.tracking.mlflow_store import PARENT_RUN

    settings = params.load(root / "params.yaml").tracking
    with tracked_run.start(settings, root, tags={"mlflow.runName": "sweep", "ganline.sweep": str(len(rows))}) as parent:
        table = {column: [row[column] for row in format_rows(rows)] for column in COLUMNS}
        parent.client.log_table(parent.id, table, "sweep.json")
        parent.log_metrics({f"best_{number}": rows[0].get(number) for number in NUMBERS})
        for row in rows:
            if row.get("run"):
                parent.client.set_tag(row["run"], PARENT_RUN, parent.id)
                parent.client.set_tag(row["run"], "ganline.sweep.member", str(row["member"]))


def main() -> None:
    """Parse the command line and run the sweep."""
    import typer

    from flows.artifacts import render_table

    def run(
        preset: Annotated[
            list[str] | None,
            typer.Option(help="A name from `ganline preset list`; repeatable.", show_default=False),
        ] = None,
        seed: Annotated[
            list[int] | None, typer.Option(help="A value of train.seed; repeatable.", show_default=False)
        ] = None,
        workers: Annotated[int, typer.Option(min=1, help="Number of local processes.")] = 1,
        scheduler: Annotated[
            str | None,
            typer.Option(help="Address of a Dask scheduler (tcp://host:8786) to use instead.", show_default=False),
        ] = None,
    ) -> None:
        """Compare presets and seeds, each in its own clone of the last commit.

        `python -m flows.sweep --seed 0 --seed 1 --seed 2 --workers 2`

        `python -m flows.sweep --preset digits --preset stylegan2-digits`

        `python -m flows.sweep --seed 0 --seed 1 --scheduler tcp://10.0.0.7:8786`
        """
        from prefect_dask.task_runners import DaskTaskRunner

        cluster = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        runner: Any = DaskTaskRunner(address=scheduler) if scheduler else DaskTaskRunner(cluster_kwargs=cluster)
        state: Any = sweep.with_options(task_runner=runner)(
            str(Path.cwd()), preset or (), seed or (), return_state=True
        )
        rows = state.result(raise_on_failure=False)
        if isinstance(rows, list):
            typer.echo(render_table(COLUMNS, [list(row.values()) for row in format_rows(rows)]))
        typer.echo(state.message)
        sys.exit(0 if state.is_completed() else 2)

    typer.run(run)


if __name__ == "__main__":
    main()
