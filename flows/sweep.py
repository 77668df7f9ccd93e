"""Several presets or seeds side by side: `python -m flows.sweep --preset digits --preset stylegan2-digits --seed 0 --seed 1 --workers 2`.

Each is the line in a clone of its own, as one task of a Dask cluster: of processes here, or, with its address, of other machines that see the source and
the clones (GANLINE_CLONES) under the same paths. Nothing is pushed, and nothing promoted: the best one's parameters are for a person to commit.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows.artifacts import shown
from flows.clone import local_source, workspace
from flows.stages import ProjectError, StageFailed, in_order, metrics, reproduce
from pipeline.errors import InputError

NUMBERS = ("fid", "fid_ratio", "kid", "precision", "recall", "coverage", "vendi_ratio", "modes_covered")
COLUMNS = ("member", "verdict", *NUMBERS, "seconds", "run")


@task(task_run_name="{member}", cache_policy=NO_CACHE, persist_result=False)
def run_member(root: str, member: str, preset: str | None, seed: int | None) -> dict[str, Any]:
    """The line with one preset and seed; its row of the table. A failure is a row as well: the others go on."""
    log = get_run_logger().info
    try:
        with workspace(root, own_clone=True, member=member) as work:
            choose(work.root, preset, seed)
            for stage in in_order(work.root):
                reproduce(work.root, stage, log, work.settings)
            return row(member, metrics(work.root), work.root)
    except (ProjectError, StageFailed, InputError) as error:
        return {"member": member, "verdict": str(error).splitlines()[0]}


def choose(root: Path, preset: str | None, seed: int | None) -> None:
    """Writes the clone's params.yaml: a preset, and train.seed; what judges stays the same. Raises InputError."""
    from ruamel.yaml import YAML

    from pipeline import params
    from pipeline.cli import presets

    if preset is not None:
        presets.use(root, preset)
    if seed is not None:
        yaml, path = YAML(), root / "params.yaml"
        values = yaml.load(path.read_text(encoding="utf-8")) or {}
        values.setdefault("train", {})["seed"] = seed
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(values, file)
    params.load(root / "params.yaml")


def row(member: str, found: Mapping[str, Mapping[str, Any]], root: Path) -> dict[str, Any]:
    """What the table says of one member."""
    from pipeline.stages.metrics_files import read

    measured = {name: value for file in found.values() for name, value in file.items() if name in (*NUMBERS, "verdict")}
    seconds = found.get("metrics/train.json", {}).get("seconds")
    return {
        "member": member,
        **measured,
        "seconds": seconds,
        "run": read(root / "models" / "run.json", "dvc repro train")["run_id"],
    }


@flow(name="sweep", log_prints=False, persist_result=False)
def sweep(root: Path | str = Path(), presets: Sequence[str] = (), seeds: Sequence[int] = ()) -> State[Any]:
    """Every preset (none: the project's own params.yaml) with every seed (none: its own). Returns the rows, the best FID ratio first.

    Leaves a table artifact `sweep`, and an MLflow run under which the members' runs are nested. Give it a task runner, as `main` does, to run side by side.
    """
    try:
        local = local_source(root)
    except ProjectError as error:
        return Failed(message=str(error), data=error)
    source = str(local or root)
    own: list[None] = [None]
    chosen = [(preset, seed) for preset in (presets or own) for seed in (seeds or own)]
    futures = [run_member.submit(source, name(preset, seed), preset, seed) for preset, seed in chosen]
    rows: list[dict[str, Any]] = []
    for (preset, seed), future in zip(chosen, futures, strict=True):
        found = future.result(raise_on_failure=False)
        rows.append(found if isinstance(found, dict) else {"member": name(preset, seed), "verdict": str(found)})
    rows.sort(key=lambda one: (one.get("fid_ratio") is None, one.get("fid_ratio")))
    create_table_artifact(
        key="sweep",
        table=[{column: shown(one.get(column, "")) for column in COLUMNS} for one in rows],
        description="best FID ratio first",
    )
    if local is not None:
        record(local, rows)
    best = rows[0]
    if best.get("fid_ratio") is None:
        return Failed(
            message=f"none of {len(rows)} could be measured; the first: {best['member']}: {best['verdict']}", data=rows
        )
    return Completed(
        message=f"best of {len(rows)}: {best['member']} (FID ratio {best['fid_ratio']:.3g}, {best['verdict']})",
        data=rows,
    )


def name(preset: str | None, seed: int | None) -> str:
    parts = [preset or "params", f"seed-{seed}" if seed is not None else ""]
    return "-".join(filter(None, parts))


def record(root: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One MLflow run over those of the members. Raises InputError when the store does not answer."""
    from pipeline import params
    from pipeline.tracking import tracked_run

    settings = params.load(root / "params.yaml").tracking
    with tracked_run.start(settings, root, tags={"mlflow.runName": "sweep", "ganline.sweep": str(len(rows))}) as parent:
        table = {column: [shown(one.get(column, "")) for one in rows] for column in COLUMNS}
        parent.client.log_table(parent.id, table, "sweep.json")
        parent.log_metrics({f"best_{number}": rows[0].get(number) for number in NUMBERS})
        for one in rows:
            if one.get("run"):
                parent.client.set_tag(one["run"], "mlflow.parentRunId", parent.id)
                parent.client.set_tag(one["run"], "ganline.sweep.member", str(one["member"]))


def main() -> None:
    """The command line."""
    import typer

    from flows.artifacts import table

    def run(
        preset: Annotated[
            list[str] | None,
            typer.Option(help="A name from `ganline preset list`; several times for several.", show_default=False),
        ] = None,
        seed: Annotated[
            list[int] | None, typer.Option(help="train.seed; several times for several.", show_default=False)
        ] = None,
        workers: Annotated[int, typer.Option(min=1, help="Processes here, each with its share of the cores.")] = 1,
        scheduler: Annotated[
            str | None, typer.Option(help="A Dask scheduler's address (tcp://host:8786) instead.", show_default=False)
        ] = None,
    ) -> None:
        """Compare presets and seeds, side by side, each in a clone of its own at the last commit.

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
            typer.echo(table(COLUMNS, [[shown(one.get(column, "")) for column in COLUMNS] for one in rows]))
        typer.echo(state.message)
        sys.exit(0 if state.is_completed() else 2)

    typer.run(run)


if __name__ == "__main__":
    main()
