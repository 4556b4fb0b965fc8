"""The cases: what is damaged, and the commands that then meet it."""

import contextlib
import functools
import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd
from fuzz_inputs import choose, damage_bytes, damage_json, damage_rows, make_runs
from fuzz_texts import architecture_texts, number_options
from places import ROOT


@functools.cache
def runs():
    """The runs to damage; made once, before the first case."""
    directory = Path(tempfile.mkdtemp(prefix="nas-fuzz-"))
    return make_runs(directory)


def copied(bench, rng, names=None):
    """A copy of one of the runs, at ``r``: its name there and the original's."""
    name = choose(rng, sorted(names or runs()))
    shutil.copytree(runs()[name], bench.directory / "r")
    return bench.directory / "r", name


def meet(bench, rng, name):
    """Runs the commands that read the run at ``r``: report and resume always, one of the others."""
    bench.nas("report", "r")
    other = int(rng.integers(8))
    if other == 0:
        bench.nas("report", "r", "--json", "--target-flops", "100M", "--exponent", "-0.1")
    elif other == 1:
        bench.nas("show", "r")
    elif other == 2:
        bench.nas("scale", "--base", "r", "--coefficients", "1.2,1.1,1.15", "--run", "r")
    elif other == 3:
        bench.nas("train", "r", "--run", "r")
    elif other == 4:
        shutil.copytree(runs()[name], "other")
        bench.nas("report", "r", "other")
    elif other == 5:
        bench.check("nas report r --follow", lambda: follow(bench.directory / "r"))
    elif other == 6:
        bench.nas("report", "other", "--random", "r") if Path("other").exists() else bench.nas("show", "r:B1")
    else:
        bench.nas("report", "r", "--png", "x.png")
    bench.nas("resume", "r")
    if rng.random() < 0.2:
        bench.nas("report", "r", "--json")


def follow(directory):
    """``nas report --follow`` without its pauses."""
    import sys

    from rich.console import Console

    import nas
    from nas.errors import InputError, NasError
    from nas.screens.follow import follow_run

    try:
        follow_run(Console(highlight=False, markup=False), nas.open_run(directory), pause=0.0)
    except NasError as error:
        print(f"nas: {error}", file=sys.stderr)
        raise SystemExit(2 if isinstance(error, InputError) else 1) from None


def config(bench, rng):
    """A changed config.json."""
    run, name = copied(bench, rng)
    damage_json(rng, choose(rng, sorted(run.rglob("config.json"))))
    meet(bench, rng, name)


def database(bench, rng):
    """A changed run.db: its bytes, or its rows."""
    run, name = copied(bench, rng)
    file = choose(rng, sorted(run.rglob("run.db")))
    (damage_bytes if rng.random() < 0.4 else damage_rows)(rng, file)
    meet(bench, rng, name)


def other_files(bench, rng):
    """A changed best.json, family.json, audit.json, table, weights, checkpoint or snapshot."""
    kind = choose(
        rng, ("best", "family", "family", "table", "table", "predictor", "macro", "weights", "checkpoint")
    )
    if kind == "best":
        run, _ = copied(bench, rng, [name for name in runs() if (runs()[name] / "best.json").exists()])
        damage(rng, run / "best.json")
        bench.nas("show", "r/best.json")
        bench.nas("scale", "--base", "r/best.json", "--coefficients", "1.2,1.1,1.15", "--run", "r")
        bench.nas("report", "r")
        bench.nas("resume", "r")
    elif kind == "family":
        run, _ = copied(bench, rng, [name for name in runs() if (runs()[name] / "family.json").exists()])
        damage(rng, run / "family.json")
        for command in (("show", "r"), ("show", "r:B1"), ("report", "r"), ("train", "r:B1", "--run", "r")):
            bench.nas(*command)
        (run / "run.db").unlink()
        bench.nas("report", "r", *choose(rng, ((), ("--json",), ("--png", "x.png"))))
    elif kind in ("table", "predictor"):
        table(bench, rng, kind)
    elif kind == "macro":
        archs = {"".join(str(int(digit)) for digit in rng.integers(0, 3, 8)): None for _ in range(30)}
        rows = {code: {"mean_acc": float(rng.uniform(50, 90)), "params": 1.0} for code in archs}
        file = bench.directory / "table.json"
        file.write_text(json.dumps(rows))
        damage(rng, file)
        search(bench, "table:table.json")
    elif kind == "weights":
        run, _ = copied(bench, rng, ["old-training-finished"])
        damage_bytes(rng, run / "weights.safetensors")
        bench.nas("report", "r")
        bench.nas("resume", "r")
    else:
        run, _ = copied(bench, rng, ["old-training-interrupted"])
        shutil.copy(ROOT / "tests/runs_of_0.1/training-interrupted/config.json", run)
        damage_bytes(rng, run / "checkpoint.pt")
        bench.nas("resume", "r")


def damage(rng, file):
    """Changes values of a JSON file, or its bytes."""
    damage_json(rng, file) if rng.random() < 0.7 else damage_bytes(rng, file)


def table(bench, rng, kind):
    """A changed table, as CSV or Parquet."""
    frame = pd.read_csv(runs()["search-finished"].parent / "table.csv").astype(object)
    for _ in range(int(choose(rng, (0, 1, 1, 3)))):
        row, column = int(rng.integers(len(frame))), choose(rng, ("arch", "accuracy"))
        values = (
            None,
            "",
            "x",
            -1,
            5,
            101,
            float("inf"),
            float("nan"),
            True,
            "\uff11\uff12",
            10**30,
            "res0",
            b"\xff".hex(),
        )
        frame.loc[row, column] = choose(rng, values)
    if rng.random() < 0.15:
        frame = frame.rename(
            columns={choose(rng, ("arch", "accuracy")): choose(rng, ("x", "acc", "top1", "layer0"))}
        )
    if rng.random() < 0.1:
        frame = frame.head(int(choose(rng, (0, 1, 5, 21))))
    file = bench.directory / choose(rng, ("table.csv", "table.csv", "table.parquet", "table.csv.gz"))
    if file.suffix == ".parquet":
        frame = frame if rng.random() < 0.7 else frame.iloc[:, :1]
        frame.astype(str).to_parquet(file)
    else:
        frame.to_csv(file, index=False)
    if rng.random() < 0.5:
        damage_bytes(rng, file)
    search(bench, f"{kind}:{file.name}")


def search(bench, evaluator):
    """A short search by a table."""
    bench.nas(
        *("search", "--space", "nasbench-macro", "--controller", "random", "--trials", 3),
        *("--evaluator", evaluator, "--run", "s"),
    )


def options(bench, rng):
    """Numbers of every kind in every option that takes one."""
    number_options(bench, rng, runs()["search-finished"])


def texts(bench, rng):
    """A thousand architecture texts."""
    architecture_texts(bench, rng, 1000)


CASES = {
    "config": config, "database": database, "files": other_files, "options": options, "texts": texts,
}  # fmt: skip


def warm():
    """Makes the runs and imports what commands need, so that every worker has it from the start."""
    with contextlib.suppress(ImportError):
        import matplotlib.figure  # noqa: F401
        import pyarrow.parquet  # noqa: F401
        import sklearn.linear_model
        import sklearn.model_selection  # noqa: F401
        import torch

        torch.set_num_threads(1)
    import typer

    import nas.commands.main
    import nas.launch.launch
    import nas.screens.views
    import nas.training.trainer  # noqa: F401

    typer.main.get_command = functools.cache(typer.main.get_command)  # a third of a short command's time
    runs()
