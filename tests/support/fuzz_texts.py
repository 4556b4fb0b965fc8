"""Architecture texts, changed and grammar-generated, and odd numbers for options."""

import io
import time

from fuzz_inputs import choose
from rich.console import Console

from search_spaces.arch import ACTIVATIONS

DIGITS = (
    *[
        "0",
        "1",
        "2",
        "3",
        "5",
        "7",
        "8",
        "16",
        "24",
        "224",
        "320",
        "1280",
        "8192",
        "8193",
        "65536",
        "65537",
        "10000",
        "999999999",
        "-1",
        "1.5",
        "1_0",
        "1e2",
    ],
    *("", " 2", "\uff11\uff12", "1" + 22 * "0", 30 * "0" + "24", 400 * "9", 5000 * "9"),
)
RATIOS = (
    *["0.25", "0.5", "1", "0", "1e-05", "2", "0.0000001", "1e-400", ".5", "-1", "nan", "1e5"],
    400 * "9",
    30 * "0.25",
)
NUMBERS = (
    *[
        "0",
        "1",
        "2",
        "-1",
        "1.5",
        "-0",
        "1e400",
        "-1e400",
        "nan",
        "inf",
        "-inf",
        "True",
        "1_000",
        "0x10",
        "1e9",
        "1e-9",
        "1e-400",
        "10**9",
        "1e18",
        "1e19",
        "100",
    ],
    *[
        "65536",
        "8192",
        "400M",
        "0.4G",
        "5k",
        "é",
        "--",
        "None",
        "1,2",
        "0,1,2",
        "1.2,1.1,1.15",
        "0,1e9",
        "1,1,1",
        "1000,1,1",
        "1.0000001,1,1",
    ],
    *("", " 7 ", "\n", "\uff11\uff12", "1" + 30 * "0", 5000 * "9", "0,0.5,1,2,3,4,5,6,7,8,9"),
)


def generated(rng):
    """A text by the grammar, with odd numbers here and there."""
    odd = rng.random() * 0.1

    def number(*usual):
        return choose(rng, DIGITS) if rng.random() < odd else choose(rng, usual)

    stages = []
    for _ in range(int(choose(rng, (1, 2, 3, 7, 7, 12)))):
        op = choose(rng, ("mb", "mb", "mb", "conv", "linear"))
        op += number("1", "3", "4", "6") if op == "mb" else ""
        stage = f"{op}_r{number('1', '2', '3', '4')}_k{number('1', '3', '5', '7')}_s{number('1', '2')}"
        stage += f"_c{number('16', '24', '40', '64', '80', '128', '320')}"
        if rng.random() < 0.3:
            stage += f"_se{choose(rng, RATIOS) if rng.random() < 2 * odd else '0.25'}"
        stages.append(stage + "_noskip" * (rng.random() < 0.1))
    stem = f"stem{number('8', '16', '32')}" + (f"s{number('1', '2')}" if rng.random() < 0.2 else "")
    name = choose(rng, (*ACTIVATIONS, *ACTIVATIONS, "gelu")) if odd > 0.09 else choose(rng, ACTIVATIONS)
    return f"res{number('32', '224', '800')}-{name}-{stem}-{'-'.join(stages)}-head{number('64', '1280')}"


def changed(rng, text, other):
    """``text`` with characters or parts changed, or joined with ``other``."""
    for _ in range(int(choose(rng, (1, 1, 2, 5)))):
        place = int(rng.integers(len(text) + 1))
        what = int(rng.integers(7))
        if what == 0:
            text = text[:place] + text[place + 1 :]
        elif what == 1:
            text = text[:place] + choose(rng, tuple("0123456789-_.abcrksmhé\n\x00 ~[]\u0661")) + text[place:]
        elif what == 2:
            parts = text.split("-")
            parts.insert(int(rng.integers(len(parts) + 1)), choose(rng, other.split("-")))
            text = "-".join(parts)
        elif what == 3:
            text = text[:place] + other[place:]
        elif what == 4:
            parts = text.split("-")
            del parts[int(rng.integers(len(parts)))]
            text = "-".join(parts)
        elif what == 5:
            parts = text.split("-")
            part = int(rng.integers(len(parts)))
            text = "-".join(parts[:part] + [parts[part]] * int(choose(rng, (2, 10, 300))) + parts[part + 1 :])
        else:
            text = text[:place] + text[place : place + 3] * int(choose(rng, (2, 50, 500))) + text[place:]
    return text


def architecture_texts(bench, rng, number):
    """Reads texts, and does with a valid one what commands do."""
    import reports
    from search_spaces import PRESETS, SPACES, ArchSpec, canonical, cost

    spaces = list(SPACES.values())
    pool = [*map(str, PRESETS.values())]
    slowest, valid = (0.0, ""), 0
    for count in range(number):
        kind = rng.random()
        if kind < 0.1:
            space = choose(rng, spaces)
            text = str(space.decode(space.sample(rng)))
        else:
            text = generated(rng) if kind < 0.5 else changed(rng, choose(rng, pool), choose(rng, pool))
        started = time.process_time()
        try:
            arch = ArchSpec.parse(text)
        except ValueError as error:
            if "\n" in str(error) or len(str(error)) > 1000:
                bench.found(f"parse {text[:500]!r}", f"not one short line: {str(error)[:2000]!r}")
        except BaseException as error:  # noqa: BLE001 - a finding
            bench.found(f"parse {text[:500]!r}", repr(error))
        else:
            valid += 1
            pool.append(text) if len(pool) < 200 else None
            try:
                assert ArchSpec.parse(str(arch)) == arch
                assert ArchSpec.from_json(arch.to_json()) == arch
                assert canonical(canonical(arch)) == canonical(arch)
                price = cost(canonical(arch))
                assert price == cost(arch)
                assert all(0 < each < 2**63 for each in price)
                with_error = choose(rng, spaces)
                try:
                    actions = with_error.encode(arch)
                    assert with_error.decode(actions) == canonical(arch)
                except ValueError as error:
                    if "does not hold" not in str(error):
                        raise
                if count % 100 == 0:
                    Console(file=io.StringIO(), width=80).print(reports.stage_table(arch))
                    reports.sketch(text)
            except BaseException as error:  # noqa: BLE001 - a finding
                bench.found(f"use {text[:500]!r}", repr(error)[:2000])
        slowest = max(slowest, (time.process_time() - started, text[:500]))
    bench.codes += ["valid"] * valid + ["refused"] * (number - valid)
    if slowest[0] > 5:
        bench.found(f"parse {slowest[1]!r}", f"took {slowest[0]:.1f} s")


def number_options(bench, rng, run):
    """One or two odd numbers in the options of a command that ends soon."""
    from nas.spec.recipe import Recipe

    def value():
        return choose(rng, NUMBERS)

    command = choose(
        rng, ("search", "search", "scale", "scale", "grid", "show", "train", "report", "audit", "text")
    )
    given = []
    if command == "search":
        names = (
            "trials seed target-flops exponent confirm confirm-seeds workers cpus-per-trial gpus-per-trial"
        )
        names = (*names.split(), "cache-size")
        given = [f"--{choose(rng, names)}={value()}"]
        fields = [f"--proxy={field}={value()}" for field in Recipe.__dataclass_fields__]
        controller = choose(rng, ("random", "evolution"))
        fields += (
            [f"--set={name}={value()}" for name in ("population", "sample")]
            if controller == "evolution"
            else []
        )
        given = choose(rng, (given, [choose(rng, fields)], [*given, choose(rng, fields)]))
        if not any(one.startswith("--trials") for one in given):
            given.append("--trials=3")
        if any(one in ("--trials=1e9", "--trials=65536", "--trials=8192", "--trials= 7 ") for one in given):
            return
        table = f"table:{run.parent}/table.csv"
        bench.nas(
            "search",
            "--space=nasbench-macro",
            f"--controller={controller}",
            "--evaluator",
            table,
            "--run=s",
            *given,
        )
    elif command in ("scale", "grid"):
        names = ("phi", "phis", "budgets", "coefficients", "multiple", "seeds", "seed", "max-resolution")
        given = [f"--{choose(rng, names)}={value()}" for _ in range(int(choose(rng, (1, 2))))]
        if command == "grid":
            fields = ("step", "alpha_max", "beta_max", "gamma_max", "product", "tolerance", "flops_tolerance")
            given.append(f"--grid={choose(rng, fields)}={value()}")
        else:
            given.append("--coefficients=1.2,1.1,1.15")
        (bench.directory / "s").mkdir()
        bench.nas("scale", "--base", choose(rng, ("efficientnet-b0", str(run))), "--run=s", *given)
    elif command == "show":
        bench.nas("show", "efficientnet-b0", f"--classes={value()}")
    elif command == "train":
        (bench.directory / "s").mkdir()
        field = choose(rng, list(Recipe.__dataclass_fields__))
        names = ("epochs", "seed", "threads", "data-parallel", "cache-size")
        given = choose(rng, ([f"--set={field}={value()}"], [f"--{choose(rng, names)}={value()}"]))
        bench.nas("train", "efficientnet-b0", "--run=s", *given)
    elif command == "report":
        names = ("target-flops", "exponent")
        bench.nas("report", run, *(f"--{choose(rng, names)}={value()}" for _ in range(2)))
    elif command == "audit":
        names = ("networks", "seeds", "seed", "sample-seed")
        (bench.directory / "s").mkdir()
        bench.nas("audit", "--space=nasbench-macro", "--run=s", f"--{choose(rng, names)}={value()}")
    else:
        text = generated(rng)
        if text.startswith("res"):
            bench.nas("show", text[:100_000])
