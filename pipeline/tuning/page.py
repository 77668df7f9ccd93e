"""The page of a search: one HTML file with the outcome, Optuna's plots, and all trials."""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.evaluation.report_page import format_number, open_template
from pipeline.tuning.confirmation import Confirmation
from pipeline.tuning.ranges import format_range
from pipeline.tuning.settings import Range
from pipeline.tuning.study import REASON, SECONDS, START, VALUES, counted

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

TEMPLATE = Path(__file__).parent / "templates" / "tune.html.j2"
DPI = 110
LOGARITHMIC = ("History", "Health checks")


@dataclass(frozen=True)
class Plot:
    """A plot as PNG, with its title and what it shows."""

    title: str
    about: str
    picture: bytes


@dataclass(frozen=True)
class Row:
    """One trial as text."""

    number: int
    name: str
    distance: str
    checks: int
    seconds: str
    reason: str
    values: Sequence[str]


def render(
    study: "Study",
    confirmation: Confirmation | None,
    ranges: Mapping[str, Range],
    changes: Sequence[tuple[str, str, str]],
    metrics: Mapping[str, Any],
) -> str:
    """Return the page: one HTML file without references to others.

    Args:
        study: The trials.
        confirmation: The comparison on new seeds; None if no trial was better than the start.
        ranges: Range of each key.
        changes: Key, value of the start and value of the best trial for each key that differs.
        metrics: Content of metrics/tune.json.
    """
    return open_template(TEMPLATE).render(
        study=study.study_name,
        confirmation=confirmation,
        pairs=list(zip(confirmation.start, confirmation.tuned, strict=True)) if confirmation else [],
        changes=changes,
        metrics=metrics,
        keys=[key.removeprefix("train.").removeprefix("model.") for key in ranges],
        ranges={key: format_range(one) for key, one in ranges.items()},
        rows=[build_row(trial, ranges) for trial in sorted(counted(study), key=rank)],
        plots=list(draw_plots(study)),
        number=format_number,
    )


def rank(trial: "FrozenTrial") -> tuple[bool, float]:
    """Return where a trial stands in the table: finished trials first, each by its distance."""
    from optuna.trial import TrialState

    value = trial.value if trial.value is not None else min(trial.intermediate_values.values(), default=float("inf"))
    return trial.state != TrialState.COMPLETE, value


def build_row(trial: "FrozenTrial", ranges: Mapping[str, Range]) -> Row:
    """Return the row of a trial. The values of the start are those of the parameters, not those in the ranges."""
    start = bool(trial.user_attrs.get(START))
    values = trial.user_attrs.get(VALUES, trial.params)
    _, distance = rank(trial)
    return Row(
        trial.number,
        "start" if start else "",
        format_number(distance) if distance < float("inf") else "",
        len(trial.intermediate_values),
        f"{trial.user_attrs.get(SECONDS, 0.0):.0f}",
        trial.user_attrs.get(REASON, "") or ("" if trial.state.is_finished() else "running"),
        ["" if start else in_words(values.get(key, "")) for key in ranges],
    )


def in_words(value: object) -> str:
    """Return a value as a person writes it."""
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value)


def draw_plots(study: "Study") -> Iterator[Plot]:
    """Yield Optuna's plots; one that needs more trials than there are is left out."""
    import matplotlib

    matplotlib.use("Agg")
    from optuna.visualization import matplotlib as plots

    name = "distance"
    shown: list[tuple[str, str, Callable[[], Any]]] = [
        (
            "History",
            "Distance of each finished trial (dots), and the lowest so far (line).",
            lambda: plots.plot_optimization_history(study, target_name=name),
        ),
        (
            "Health checks",
            "Lowest distance so far at each check, one line a trial.",
            lambda: plots.plot_intermediate_values(study),
        ),
        (
            "Importance",
            "Share of each key in the spread of the distances (PED-ANOVA).",
            lambda: plots.plot_param_importances(study, target_name=name),
        ),
        (
            "Parallel coordinates",
            "One line a finished trial; dark is better.",
            lambda: plots.plot_parallel_coordinate(study, target_name=name),
        ),
    ]
    for title, about, plot in shown:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                axes = plot()
        except (ValueError, RuntimeError):  # too few finished trials, or all alike
            continue
        for place in ("left", "center", "right"):
            axes.set_title("", loc=place)
        if title in LOGARITHMIC and axes.has_data():
            axes.set_yscale("log")
        if (legend := axes.get_legend()) is not None:
            legend.remove()  # one entry a trial; the words above the plot say the rest
        yield Plot(title, about, save_figure())


def save_figure() -> bytes:
    """Return the current figure as PNG, and close it."""
    from matplotlib import pyplot

    figure = pyplot.gcf()
    figure.set_size_inches(9, 4.5)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=DPI, bbox_inches="tight")
    pyplot.close(figure)
    return out.getvalue()
