"""What to do next with a run: words, and a command that can be pasted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import reports
from nas.errors import command, command_line
from nas.runs.family_files import read_family
from nas.runs.run import Run
from nas.runs.training_results import trained_steps, training_facts, training_verdict
from nas.spec.recipe import RECIPES, Recipe, default_recipe
from nas.spec.settings import Settings
from reports.numbers import plural, plus_minus
from search_spaces import ArchSpec

Steps = list[tuple[str, str]]
"""Words, and the command that does it."""

ENOUGH = 24
"""Networks of an audit that is to say more than one of a few: as many as ``nas audit`` draws by default."""


def is_arch(text: str) -> bool:
    """Whether a network is one that this package can show, train and scale."""
    try:
        ArchSpec.parse(text)
    except ValueError:
        return False
    return True


def unfinished_steps(run: Run) -> Steps:
    """How to go on with a run that is not over."""
    return [
        ("Follow it while it runs", f"{command('report', run.directory)} --follow"),
        ("If it was interrupted, go on", command("resume", run.directory)),
    ]


def train_steps(words: str, network: object, *more: str) -> Steps:
    """To train a network on all its images, for as long as it takes or within a time."""
    to_the_end = command("train", network, *more)
    return [(f"Train {words} to the end", to_the_end), ("Or within ten minutes", f"{to_the_end} --time 10m")]


def family_steps(directory: Path) -> Steps:
    """What to do with the family in ``directory``."""
    names = [*read_family(directory / "family.json")[0]]
    trained, last = names[min(1, len(names) - 1)], names[-1]
    return [
        (f"Look at {last}", command("show", f"{directory}:{last}")),
        *train_steps(trained, f"{directory}:{trained}"),
    ]


def nearest_recipe(recipe: Recipe) -> tuple[str, list[str]]:
    """The name of the recipe that is most like ``recipe``, and NAME=VALUE of the fields that differ."""
    changed = {
        name: [
            f"{field}={str(value).lower() if isinstance(value, bool) else value}"
            for field, value in vars(recipe).items()
            if value != getattr(base, field)
        ]
        for name, base in RECIPES.items()
    }
    name = min(changed, key=lambda name: len(changed[name]))
    return name, changed[name]


def proxy_words(settings: Settings, recipe: Recipe) -> list[str]:
    """Options that give a search or an audit the space, data and weights of ``settings``, and ``recipe``."""
    name, changed = nearest_recipe(recipe)
    words = ["--space", settings.space]
    words += ["--data", settings.data] * (settings.data != "digits")
    words += ["--init", settings.init.source] if settings.init else []
    words += ["--recipe", name] * (name != default_recipe("proxy", pretrained=settings.init is not None))
    return [*words, *(word for pair in changed for word in ("--proxy", pair))]


def audit_steps(settings: Settings, proxy: reports.Consistency) -> Steps:
    """A search with the proxy that was audited; first another audit, if this one does not bear it out."""
    assert settings.audit is not None
    networks, recipe, first = len(settings.networks), settings.recipe, ""
    if reports.too_few(proxy):
        first, networks = "Audit more networks", max(ENOUGH, 2 * networks)
    elif reports.mostly_noise(proxy):
        first, recipe = "Audit a proxy of twice the epochs", replace(recipe, epochs=2 * recipe.epochs)
    asked = ["--networks", networks, "--seeds", max(2, settings.audit.seeds)]
    asked += ["--reference", settings.audit.source] * bool(settings.audit.source)
    audit = (first, command_line("audit", *proxy_words(settings, recipe), *asked))
    search = ("Search with this proxy", command_line("search", *proxy_words(settings, settings.recipe)))
    return [audit, search] if first else [search]


def ranking_steps(settings: Settings, ranked: dict[str, Any]) -> Steps:
    """What to do with the choice of another objective; nothing if it is that of the search."""
    chosen = ranked["best"][0]
    if chosen["trial"] == ranked["before"]["trial"]:
        return []
    return within_steps(settings, chosen)


def within_steps(settings: Settings, network: dict[str, Any]) -> Steps:
    """What to do with the best network within a budget."""
    if not is_arch(network["arch"]):
        return []
    data = ["--data", settings.data] * (settings.data != "digits")
    words = f"trial {network['trial']}"
    return [
        (f"Look at {words}", command("show", network["arch"])),
        *train_steps(words, network["arch"], *data),
    ]


def training_line(run: Run) -> str:
    """How accurate the trained network is, in one sentence; or how far the training has come."""
    facts = training_facts(run)
    if facts["status"] == "done":
        return training_verdict(facts)
    done = f"after {facts['epochs']} of {plural(facts['of_epochs'], 'epoch')}"
    if facts["status"] == "failed":
        return f"The training failed {done}: {facts['error']}"
    if facts["accuracy"] is None:
        return f"Nothing is known yet: of {plural(facts['of_epochs'], 'epoch')}, none is done."
    return f"So far, {done}, the validation accuracy is {plus_minus(facts['accuracy'])}."


def training_steps(run: Run) -> Steps:
    """What to do with a trained network."""
    status = training_facts(run)["status"]
    if status == "done":
        return trained_steps(run.directory)
    return (
        [("Look at the network", command("show", run.directory))]
        if status == "failed"
        else unfinished_steps(run)
    )
