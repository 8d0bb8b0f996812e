"""The table of statistics: what a report shows as a list, and what the comparison of reports has as columns.

To add a statistic, write its function of the predictions in metrics.py, and append one row here:

    Statistic("mean_wrong_length", "wrong length", ".1f", "mean length of wrong answers, characters", wrong_length)

It is then in report.json under that key, in the list of report.html, and a column of the comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.baselines import ALWAYS, BY_NAME
from evaluation.metrics import KEPT, PRECISION, RELIABILITY_BINS, percent
from evaluation.scoring import Prediction


@dataclass(frozen=True)
class Statistic:
    """A number of report.json, and how it is shown.

    `compute` is a function of all predictions that returns a number, or None when there is nothing to say, for example
    because the questions have no answers. Without it, `summary.summarise` puts the value into the report.
    """

    key: str  # where it is in report.json; a dot leads into a nested object, and "*" stands for the rest of a name
    header: str  # of its column
    form: str | Callable[[Any], str]  # a format specification, or a function from the value to the text
    legend: str  # what the number means
    compute: Callable[[Sequence[Prediction]], float | None] | None = None

    def value(self, report: dict[str, Any]) -> Any:
        """The value in a report, None when it has none."""
        found: Any = report
        for name in self.key.split("."):
            if found is not None and name.endswith("*"):
                name = next((key for key in found if key.startswith(name[:-1])), name)
            found = None if found is None else found.get(name)
        return found

    def text(self, report: dict[str, Any]) -> str:
        """The value as text, "-" when the report has none."""
        value = self.value(report)
        if value is None:
            return "-"
        return self.form(value) if callable(self.form) else format(value, self.form).replace("%", " %")


def interval_text(accuracy: dict[str, Any]) -> str:
    """The interval of an accuracy, for example "12.3 to 45.6 %"."""
    return f"{100 * accuracy['low']:.1f} to {percent(accuracy['high'])}"


STATISTICS = [
    Statistic("questions", "questions", "d", "how many questions were asked"),
    Statistic("accuracy.accuracy", "right", ".1%", "share of the answers that are right"),
    Statistic("accuracy", "95 % interval", interval_text, "Wilson score interval of that share"),
    Statistic("top.3.accuracy", "in top 3", ".1%", "share of the questions whose right answer is among the 3 likeliest"),
    Statistic("top.5.accuracy", "in top 5", ".1%", "share of the questions whose right answer is among the 5 likeliest"),
    Statistic(
        f"baselines.{ALWAYS}*.accuracy", "always the same", ".1%",
        "accuracy of always giving the most frequent answer of finetuning; of several wordings, that to the same one",
    ),
    Statistic(
        f"baselines.{BY_NAME}.accuracy", "from the name", ".1%",
        "accuracy of guessing from the name alone, by naive Bayes on the finetuning questions",
    ),
    Statistic(
        "calibration.ece_before", "calibration error", ".3f",
        f"expected calibration error: how far the model's probability is from the share of right answers, in "
        f"{RELIABILITY_BINS} bins; lower is better",
    ),
    Statistic("calibration.ece_after", "once calibrated", ".3f", "the same after calibration, on questions that it was not fitted on"),
    Statistic(
        "risk_coverage.area", "wrong, surest first", ".3f",
        "share of wrong answers among the k surest, averaged over k (area under the risk-coverage curve); lower is better",
    ),
    Statistic(
        "answerable", f"answered at {100 * PRECISION:.0f} %", lambda found: f"{found['answered']} of {found['of']}",
        f"questions that can be answered, the surest answers first, with {100 * PRECISION:.0f} % right; the "
        "threshold is chosen with the right answers known",
    ),
    Statistic(
        "auroc.right", "right above wrong", ".3f",
        "how often the model is surer of a right answer than of a wrong one (AUROC); 0.5 is chance",
    ),
    Statistic(
        "auroc.seen", "read above unread", ".3f",
        "how often the model is surer of its answer about somebody with a document than about somebody without (AUROC)",
    ),
    Statistic(
        "unread.share", "unread answered", ".1%",
        "answers about people without a document of which the model is at least as sure as the threshold that keeps "
        f"{100 * KEPT:.0f} % of the right answers about the others; lower is better",
    ),
    Statistic(
        "nearest.share", "nearest name's", ".1%",
        "share of the wrong answers that equal the answer of the nearest name in the finetuning questions",
    ),
]  # fmt: skip


def add_statistics(report: dict[str, Any], rows: Sequence[Prediction]) -> None:
    """Computes the statistics of the table that have a function, and puts those that are finite into the report."""
    for statistic in STATISTICS:
        value = statistic.compute(rows) if statistic.compute else None
        if value is not None and math.isfinite(value):
            *groups, name = statistic.key.split(".")
            place = report
            for group in groups:
                place = place.setdefault(group, {})
            place[name] = value.item() if isinstance(value, np.generic) else value
