"""A run as it shows itself in a notebook: what it is, its verdict, its front."""

from __future__ import annotations

import pandas as pd

from nas.errors import NasError
from nas.files import is_file
from nas.runs.kinds import KINDS
from nas.runs.page import without_marks
from nas.runs.run import Run
from reports.numbers import cost_text, cost_title, count, plus_minus
from reports.page.markup import Html, join, tag
from reports.tables import SIZES, has_stages, sketch

NAMES = {
    "search": "Architecture search",
    "scaling": "Compound scaling",
    "audit": "Audit",
    "training": "Training",
}
MOST_ROWS = 10


def html_of(run: Run) -> str:
    """The run as HTML, in which its texts stay text; a damaged run raises nothing, but says what is wrong."""
    try:
        return str(
            tag("div", *(_parts(run.snapshot()) if is_file(run.directory / "run.db") else _family(run)))
        )
    except Exception as error:  # noqa: BLE001 - whatever is damaged, a notebook has something to show
        wrong = str(error) if isinstance(error, NasError) else f"{type(error).__name__}: {error}"
        return str(join(tag("p", tag("b", run.directory)), tag("p", f"This run cannot be read: {wrong}")))


def _parts(run: Run) -> list[Html]:
    settings = run.settings
    kind = KINDS[settings.kind]
    source = settings.data if settings.evaluator == "train" else settings.evaluator
    facts = [settings.space] * (settings.kind in ("search", "audit")) + [source]
    title = f"{NAMES[settings.kind]}: {', '.join(facts)}"
    parts = [tag("p", tag("b", run.directory), " ", title), tag("p", without_marks(kind.verdict(run)))]
    return [*parts, _front(run)] if len(run.networks()) else parts


def _family(run: Run) -> list[Html]:
    """The models of a family that was scaled without training."""
    header = tag("tr", *(tag("th", name) for name in ("model", "FLOPs", "params", "resolution", "stages")))
    body = []
    for name, model in run.family().items():
        facts = model.to_json()
        size = count(facts["flops"]), count(facts["params"]), f"{model.arch.resolution} px"
        body.append(tag("tr", *(tag("td", cell) for cell in (name, *size, sketch(facts["arch"])))))
    table = tag("table", tag("thead", header), tag("tbody", *body))
    return [tag("p", tag("b", run.directory), " A family"), table]


def _front(run: Run) -> Html:
    """The front, the cheapest first; if it is long, the networks around the best."""
    rows = run.pareto().to_dict("records")
    best = run.best_trial()["trial"]
    middle = next((number for number, row in enumerate(rows) if row["trial"] == best), 0)
    first = max(0, min(middle - MOST_ROWS // 2, len(rows) - MOST_ROWS))
    names = dict.fromkeys([*(name for name in run.costs if name not in SIZES), *SIZES])
    known = [name for name in names if any(pd.notna(row.get(name)) for row in rows)]
    costs = {name: SIZES.get(name) or cost_title(name) for name in known}
    titles = ("trial", "accuracy", *costs.values(), "stages" if has_stages(pd.DataFrame(rows)) else "network")
    header = tag("tr", *(tag("th", name) for name in titles))
    body = [
        tag(
            "tr",
            tag("td", f"{row['trial']}{' ★' if row['trial'] == best else ''}"),
            tag("td", plus_minus(row["accuracy"], row.get("accuracy_error"))),
            *(tag("td", "" if pd.isna(row[name]) else cost_text(name, row[name])) for name in costs),
            tag("td", sketch(row["arch"])),
        )
        for row in rows[first : first + MOST_ROWS]
    ]
    more = len(rows) - len(body)
    left = tag("p", f"{more} more networks of the front are in run.pareto().") if more > 0 else ""
    return join(tag("table", tag("thead", header), tag("tbody", *body)), left)
