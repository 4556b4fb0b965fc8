"""Real runs to damage, and ways to damage their files; all from a seed."""

import contextlib
import json
import math
import shutil
import sqlite3

import numpy as np
import pandas as pd
from places import ROOT

OLD = ROOT / "tests" / "runs_of_0.1"
DELETE = object()
BIG = 10**30
DEEPEST = 50
NUMBERS = (0, 1, -1, 2, 3, 2.5, -0.0, 1e-300, 1e300, math.inf, -math.inf, math.nan, 2**31, 2**63, BIG, -BIG)
TEXTS = (
    *[
        "abc",
        "1_000",
        "1e400",
        "nan",
        "table:/nowhere",
        "2026-01-01",
        "../../x",
        "\uff11\uff12",
        "\x00",
        "\x1b[31m",
    ],
    *("", " 3 ", "a\nb", 5000 * "é", 300 * "x", "res224-silu-stem32-mb6_r2_k3_s2_c24_se0.25-head1280"),
)
OTHERS = (None, True, False, [], {}, [1], ["a"], [None], {"a": 1}, {"": {}}, [[[]]])


def make_runs(directory):
    """Runs of every kind but training that need no training, finished and interrupted."""
    from nas.launch import launch
    from nas.launch.new_run import Place
    from nas.spec.listener import Listener
    from nas.spec.objective import Objective
    from nas.spec.recipe import Recipe
    from nas.spec.resources import Resources
    from nas.spec.scaling import Scaling
    from nas.spec.settings import Audit, Settings
    from scaling_search import Grid
    from search_spaces import SPACES

    class Stop(Listener):
        def __init__(self, after):
            self.left = after

        def on_finish(self, row, outcome, standing):
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    macro = SPACES["nasbench-macro"]
    drawn = [str(macro.decode(macro.sample(rng))) for _ in range(4)]
    scaling = Scaling(
        base="res64-silu-stem16-mb1_r1_k3_s1_c16-mb6_r2_k3_s2_c24-mb6_r2_k5_s2_c40-head128",
        grid=Grid(step=0.2, flops_tolerance=0.3),
        phis={"B0": 0.0, "B1": 1.0, "B2": 2.0},
        seeds=2,
    )
    resources = Resources(address="inline")
    table = directory / "table.csv"
    common = {
        "data": "digits",
        "evaluator": f"table:{table}",
        "objective": Objective(100e6),
        "recipe": Recipe(),
        "resources": resources,
    }
    asked = {
        "search": Settings(
            space="nasbench-macro", trials=24, controller="random", confirmations=2, confirm_seeds=2, **common
        ),
        "scaling": Settings(
            space="scaling", trials=2 * len(scaling.candidates), controller="grid", scaling=scaling, **common
        ),
        "audit": Settings(
            space="nasbench-macro",
            trials=12,
            controller="grid",
            networks=tuple(drawn),
            audit=Audit(seeds=3, long=Recipe(epochs=8), reference=(0.5, 0.6, 0.7, 0.8)),
            **common,
        ),
    }
    from controllers import RandomSearch

    random = RandomSearch(macro, seed=0)
    archs = [str(macro.decode(random.ask())) for _ in range(60)]
    archs += [*drawn, *(str(candidate.arch) for candidate in scaling.candidates)]
    archs = list(dict.fromkeys(archs))
    accuracies = 0.5 + 0.4 * rng.random(len(archs))
    pd.DataFrame({"arch": archs, "accuracy": accuracies}).to_csv(table, index=False)
    made = {}
    for kind, settings in asked.items():
        for name, listener in (("finished", Listener()), ("interrupted", Stop(5))):
            run = made[f"{kind}-{name}"] = directory / f"{kind}-{name}"
            with contextlib.suppress(KeyboardInterrupt):
                launch.start(settings, Place(run, kind), listener)
    for run in (run for run in OLD.iterdir() if run.is_dir()):
        copy = made[f"old-{run.name}"] = directory / f"old-{run.name}"
        shutil.copytree(run, copy)
        for config in copy.rglob("config.json"):  # no training: resume stops before it, at other contents
            config.write_text(config.read_text().replace('"input_sha256": "', '"input_sha256": "0'))
    return made


def choose(rng, values):
    """One of ``values``."""
    return values[int(rng.integers(len(values)))]


def another(rng, value):
    """A value in place of a JSON ``value``: another one of its type, one of another type, or ``DELETE``."""
    kind = rng.random()
    if kind < 0.08:
        return DELETE
    if kind < 0.16:
        return choose(rng, ([value], {"a": value}, str(value), [value, value], json.dumps(value)))
    if kind < 0.26 and isinstance(value, int | float) and not isinstance(value, bool):
        return choose(rng, (value + 1, value - 1, -value, value * 1.5, float(value), value * 10))
    if kind < 0.26 and isinstance(value, str) and value:
        place = int(rng.integers(len(value)))
        return value[:place] + choose(rng, ("", "x", "9", "-", "\n")) + value[place + 1 :]
    if kind < 0.26 and isinstance(value, list) and value:
        return choose(rng, (value[:-1], value + value, value[::-1], value[:1]))
    if kind < 0.28:
        deep = []
        for _ in range(choose(rng, (30, 60, 900, 2000))):
            deep = [deep]
        return deep
    return choose(rng, choose(rng, (NUMBERS, TEXTS, OTHERS)))


def places(value, path=()):
    """The paths of everything within a JSON value, down to a depth, without the value itself."""
    if len(path) > DEEPEST:
        return
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*path, key)
        yield from places(each, (*path, key))


def damage_json(rng, file):
    """Changes one to three values anywhere in a JSON file; every top-level field is as likely."""
    value = json.loads(file.read_text())
    for _ in range(choose(rng, (1, 1, 1, 1, 2, 3))):
        if not isinstance(value, dict) or not value or rng.random() < 0.01:
            value = another(rng, value)
            value = [] if value is DELETE else value
            break
        key = choose(rng, list(value))
        path = choose(rng, [(key,), *places(value[key], (key,))])
        *outer, last = path
        holder = value
        for step in outer:
            holder = holder[step]
        new = another(rng, holder[last])
        if last in ("trials", "confirmations", "confirm_seeds") and isinstance(new, int) and 100 < new < BIG:
            new = 7  # a search that would be right, and long
        if new is DELETE:
            del holder[last]
        else:
            holder[last] = new
        if rng.random() < 0.02:
            value[choose(rng, TEXTS)] = choose(rng, OTHERS)
    file.write_text(_text(value))


def _text(value):
    """JSON, however deep."""
    if isinstance(value, list) and len(value) == 1:
        depth = 0
        while isinstance(value, list) and len(value) == 1:
            value, depth = value[0], depth + 1
        return "[" * depth + _text(value) + "]" * depth
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    return json.dumps(value)


def damage_bytes(rng, file, start=0):
    """Flips, overwrites, cuts or adds bytes."""
    content = bytearray(file.read_bytes())
    if len(content) <= start:
        return
    kind = choose(rng, ("flip", "flip", "flip", "zero", "cut", "add", "swap", "insert"))
    place = int(rng.integers(start, max(start + 1, len(content))))
    length = int(choose(rng, (1, 8, 100, 1000, 4096)))
    if kind == "flip":
        for _ in range(int(choose(rng, (1, 1, 2, 5, 50)))):
            content[int(rng.integers(start, len(content)))] ^= 1 << int(rng.integers(8))
    elif kind == "zero":
        content[place : place + length] = bytes(len(content[place : place + length]))
    elif kind == "cut":
        content = content[:place]
    elif kind == "add":
        content += rng.bytes(length)
    elif kind == "insert":
        content[place:place] = rng.bytes(length)
    else:
        other = int(rng.integers(start, len(content)))
        content[place : place + length], content[other : other + length] = (
            content[other : other + length],
            content[place : place + length],
        )
    file.write_bytes(content)


def damage_rows(rng, file):
    """Changes rows, columns or tables of a ``run.db`` by SQL."""
    db = sqlite3.connect(file, isolation_level=None)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for _ in range(choose(rng, (1, 1, 1, 2, 4))):
            _damage_table(rng, db, choose(rng, [*tables, "trials", "trials", "events"]))
    except sqlite3.DatabaseError:
        pass  # a rule of the schema, such as NOT NULL
    finally:
        db.close()


def _damage_table(rng, db, table):
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    if not columns:  # dropped
        return
    column = choose(rng, columns)
    what = rng.random()
    rows = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    key = {"trials": "trial", "epochs": "trial", "events": "event", "confirmations": "trial"}.get(
        table, "event"
    )
    if what < 0.70:
        value = another(rng, db.execute(f"SELECT {column} FROM {table} LIMIT 1").fetchone()[0]) if rows else 1
        if value is DELETE or isinstance(value, list | dict):
            value = choose(
                rng, (None, "[1]", "[[0, 0]]", b"\xff\x00", "[99, 0, 0, 0, 0, 0, 0, 0]", "done", "waiting")
            )
        if isinstance(value, int) and abs(value) >= 2**63:
            value = str(value)
        scope = (
            ""
            if rng.random() < 0.3
            else f" WHERE {key} = (SELECT {key} FROM {table} ORDER BY random() LIMIT 1)"
        )
        if scope and rows:
            which = db.execute(
                f"SELECT {key} FROM {table} LIMIT 1 OFFSET {int(rng.integers(rows))}"
            ).fetchone()[0]
            scope = f" WHERE {key} = {which!r}"
        db.execute(f"UPDATE {table} SET {column} = ?{scope}", (value,))
    elif what < 0.85:
        modulo, rest = int(rng.integers(1, 5)), int(rng.integers(0, 3))
        db.execute(f"DELETE FROM {table} WHERE {key} % {modulo} = {rest}")
    elif what < 0.90:
        db.execute(f"UPDATE {table} SET {key} = {key} + {int(choose(rng, (1, 100, -1000, 2**40)))}")
    elif what < 0.93:
        db.execute(f"DROP TABLE {table}")
    elif what < 0.96:
        db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    elif what < 0.98:
        db.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO other")
    else:
        pragma = choose(
            rng, ("user_version = 1", "user_version = 3", "user_version = -5", "application_id = 7")
        )
        db.execute(f"PRAGMA {pragma}")
