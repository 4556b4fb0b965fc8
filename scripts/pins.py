"""Refuses pins of constraints.txt, or of a file that is given, which scripts/advisories.toml names."""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

scripts = Path(__file__).parent
constraints = Path(sys.argv[1]) if len(sys.argv) > 1 else scripts.parent / "constraints.txt"
lines = [line for line in constraints.read_text().splitlines() if line and not line.startswith("#")]
versions = {canonicalize_name(pin.name): next(iter(pin.specifier)).version for pin in map(Requirement, lines)}
wrong = []
for known in tomllib.loads((scripts / "advisories.toml").read_text())["advisories"]:
    package, version = known["package"], versions.get(known["package"])
    if version is None:
        wrong.append(f"{package} of scripts/advisories.toml is not pinned")
    elif SpecifierSet(known["affected"]).contains(version, prereleases=True):
        wrong.append(f"{package} {version} has {known['id']} ({known['affected']}): {known['why']}")
sys.exit("\n".join(wrong) or 0)
