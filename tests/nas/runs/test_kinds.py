"""One table says what sets a kind of run apart, another how it looks."""

import dataclasses

import pytest

from nas.runs.kinds import KINDS
from nas.screens.views import VIEWS
from nas.spec.objective import Objective
from nas.spec.recipe import Recipe
from nas.spec.scaling import Scaling
from nas.spec.settings import Audit, Settings
from search_spaces import PRESETS

B0 = str(PRESETS["efficientnet-b0"])
GIVEN = {
    "search": {},
    "scaling": {"scaling": Scaling(B0)},
    "sweep": {"scaling": Scaling(B0, sweep="width,depth")},
    "audit": {"audit": Audit(), "networks": (B0, str(PRESETS["efficientnet-b1"]))},
    "training": {"space": "train", "networks": (B0,)},
}


def test_every_kind_has_an_entry_in_both_tables():
    assert KINDS.keys() == VIEWS.keys() == GIVEN.keys()


@pytest.mark.parametrize("kind", GIVEN)
def test_the_kind_is_derived_from_what_is_asked_and_not_stored(kind):
    search = Settings("mnas", 1, "digits", "train", "random", Objective(4e8), Recipe())
    settings = dataclasses.replace(search, **GIVEN[kind])
    assert settings.kind == kind
    assert "kind" not in settings.to_json()
    assert Settings.from_json(settings.to_json()).kind == kind
    networks = KINDS[kind].space(settings).size
    assert networks == {"audit": 2, "training": 1}.get(kind, networks)
