"""The API reference, which ``scripts/reference`` builds from the docstrings."""

import importlib
import inspect
import re
import subprocess

import pytest
from places import ROOT

import nas

PACKAGES = ("search_spaces", "controllers", "scaling_search", "reports")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built pages; a warning is an error."""
    directory = tmp_path_factory.mktemp("site")
    built = subprocess.run([ROOT / "scripts" / "reference", directory], capture_output=True, text=True)
    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return directory


def described(site, page):
    """The names that have an entry on a page."""
    return set(re.findall(r' id="([\w.]+)"', (site / page / "index.html").read_text()))


def test_every_public_name_has_an_entry(site):
    known = described(site, "")
    for name in nas.__all__:
        found = getattr(nas, name)
        full = f"nas.{name}" if inspect.isfunction(found) and name in nas.COMMANDS else None
        assert (full or f"{found.__module__}.{name}") in known, name
    for package in PACKAGES:
        known = described(site, package)
        for name in importlib.import_module(package).__all__:
            assert {f"{package}.{name}", f"{package}.{name}.{name}"} & known, (package, name)
    assert "search_spaces.network.build_network" in described(site, "search_spaces")
    further = {"controllers.testing.ControllerContract", "controllers.optuna.DynaSampler"}
    assert further <= described(site, "controllers")


def test_arguments_stand_there_with_their_types_and_words(site):
    page = re.sub(r"<[^>]+>|\s+", " ", (site / "index.html").read_text())
    assert re.search(r"trials *: *int *\| *None", page)
    assert "Networks to propose" in page
