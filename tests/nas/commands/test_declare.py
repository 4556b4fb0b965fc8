"""Options that are declared as the fields of dataclasses."""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from typer import Argument, Option

from nas.commands.declare import declared, spelled
from nas.errors import InputError


@dataclass(frozen=True)
class Where:
    source: Annotated[Path, Argument(metavar="FILE", help="Where from.")]
    cpus_per_trial: Annotated[float, Option(help="How many.")] = 1.0
    fields: Annotated[list[str] | None, Option("--set", help="Which.")] = None


@declared(workers="--data-parallel")
def command(
    where: Where, quiet: Annotated[bool, Option("--quiet", "-q", help="Say nothing.")] = False
) -> None:
    raise InputError(f"{where.fields[0]} must be less than `cpus_per_trial`, got {where} {quiet}")


def test_the_fields_of_a_dataclass_are_the_commands_parameters_in_their_order():
    parameters = inspect.signature(command).parameters
    assert list(parameters) == ["source", "cpus_per_trial", "fields", "quiet"]
    assert [parameters[name].default for name in ("cpus_per_trial", "fields", "quiet")] == [1.0, None, False]
    assert parameters["source"].default is inspect.Parameter.empty
    assert parameters["source"].annotation.__metadata__[0].metavar == "FILE"


@pytest.mark.parametrize(
    ("field", "word"),
    [
        ("source", "FILE"), ("cpus_per_trial", "--cpus-per-trial"), ("fields", "--set"), ("quiet", "--quiet"),
        ("workers", "--data-parallel"), ("run", "RUN"), ("directory", "--run"), ("Nobody", "Nobody"),
    ],
)  # fmt: skip
def test_what_the_core_refuses_is_said_in_the_words_that_were_typed(field, word):
    with pytest.raises(InputError) as error:
        command(source=Path("x"), cpus_per_trial=2.0, fields=[field], quiet=True)
    where = Where(Path("x"), 2.0, [field])
    assert str(error.value) == f"{word} must be less than --cpus-per-trial, got {where} True"


def test_only_names_of_fields_are_spelled():
    words = {"seed": "--seed"}
    assert spelled("seed must be 1, got `x` of `seed`", words) == "--seed must be 1, got `x` of --seed"
    assert spelled("the seed must be 1", words) == "the seed must be 1"
    assert spelled("seed: unknown", words) == "--seed: unknown"
