"""``report.html``, in a real browser over file://."""

import dataclasses
import json
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects
import pytest
from fakes import TABLE, few_images, start
from grids import candidates, table
from places import MACRO_TABLE
from playwright.sync_api import sync_playwright

from nas import open_run
from nas.errors import InputError
from nas.runs.audit_results import audit_next
from nas.runs.page import collect, write_page
from nas.runs.search_words import search_steps, search_verdict
from reports import count
from reports.page import render
from reports.page.drawing import blocks
from reports.page.points import COSTS
from reports.pareto import pareto_front
from search_spaces import SPACES, ArchSpec, cost

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
DRIVER = "GL Driver Message"
"""What a machine without a GPU says of parallel axes, which are drawn by WebGL."""
ATTACK = "</script><script>alert(1)</script><!-- <b>&amp;"


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser: there is no {CHROMIUM}")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def view(browser, tmp_path):
    """Opens a run's page in playwright; at the end, it must have made no request and logged no error."""
    contexts, said = [], []

    def open_page(run, width=1280, scheme="light", touch=False):
        path = write_page(open_run(run))
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,
            has_touch=touch,
            is_mobile=touch,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: DRIVER in message.text or said.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("dialog", lambda dialog: said.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: said.append(f"request: {request.url[:200]}"))
        page.goto(path.resolve().as_uri())
        page.wait_for_selector("body[data-drawn]")
        assert said.pop(0) == f"request: {path.resolve().as_uri()}"
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A finished search of 150 trials."""
    directory = tmp_path_factory.mktemp("searched")
    process = start(directory, "search", *TABLE, "--trials", 150, "--run", "r", "--quiet")
    assert (*process.communicate(), process.returncode) == ("", "", 0)
    return directory / "r"


@pytest.fixture
def search(searched, tmp_path, monkeypatch):
    """The name of a copy of ``searched``."""
    shutil.copytree(searched, tmp_path / "r")
    monkeypatch.chdir(tmp_path)
    return "r"


def edit(run, statement, *values):
    connection = sqlite3.connect(Path(run) / "run.db")
    with connection:
        connection.execute(statement, values)
    connection.close()


def place(page, trace, index):
    """The position on the screen of a point in the front's plot."""
    return page.evaluate(
        """([trace, index]) => {
            const plot = document.querySelector('[data-figure="front"]');
            plot.scrollIntoView({block: "center"});
            const { xaxis, yaxis } = plot._fullLayout, { x, y } = plot.data[trace];
            const box = plot.getBoundingClientRect();
            return { left: box.left + xaxis._offset + xaxis.d2p(x[index]),
                     top: box.top + yaxis._offset + yaxis.d2p(y[index]) };
        }""",
        [trace, index],
    )


def pinned(page):
    names = ("accuracy", "FLOPs", "parameters", "activations", "reward")
    cells = {name: page.inner_text(f'[data-pin="{name}"]') for name in names}
    return {"trial": page.inner_text('[data-pin="trial"]'), "arch": page.inner_text("#pinned code"), **cells}


def shown(row):
    """What a panel shows for a network."""
    return {
        "trial": f"Trial {row.trial}",
        "arch": row.arch,
        "accuracy": f"{row.accuracy:.4f}",
        "FLOPs": count(row.flops),
        "parameters": count(row.params),
        "activations": count(row.activations),
        "reward": f"{row.reward:.4f}",
    }


OVERLAPS = """() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
    const texts = [...plot.querySelectorAll(".xtick text, .ytick text, .legendtext, .xtitle, .ytitle")];
    const boxes = texts.map((text) => [text.textContent, text.getBoundingClientRect()]);
    return boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) =>
        p.left + 1 < q.right && q.left + 1 < p.right && p.top + 3 < q.bottom && q.top + 3 < p.bottom
    ).map(([b]) => `${plot.dataset.figure}: ${a} over ${b}`));
})"""
WIDE = """() => [...document.querySelectorAll("main *")].filter((element) =>
    element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
    && !element.closest(".plot, svg, code")).map((element) => element.outerHTML.slice(0, 80))"""


def look(page, path):
    """Everything is inside the window and no labels overlap; the screenshot is for people."""
    page.screenshot(path=path, full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate(WIDE) == []
    assert page.evaluate(OVERLAPS) == []


def next_commands(page):
    return page.locator("#what-to-do-next code").all_inner_texts()


def test_the_best_network_is_pinned_at_first_and_the_one_that_is_clicked_next(view, search):
    page = view(search)
    run = open_run(search)
    networks = run.networks()
    assert pinned(page) == shown(networks.loc[networks["reward"].idxmax()])
    front = run.pareto()
    for index in (0, len(front) - 1):
        at = place(page, 1, index)
        page.mouse.move(at["left"], at["top"])
        page.wait_for_selector("#hover:visible")
        row = front.iloc[index]
        assert row["arch"] in page.inner_text("#hover")
        assert f"Trial {row.trial}: accuracy {row.accuracy:.4f}" in page.inner_text("#hover")
        page.mouse.click(at["left"], at["top"])
        page.wait_for_selector(f'[data-pin="trial"]:text-is("Trial {row.trial}")')
        assert pinned(page) == shown(row)
        drawn = blocks(ArchSpec.parse(row["arch"]))
        assert page.locator("#pinned svg use").count() == len(drawn)
        assert page.locator("tr.is-pinned button.pin").inner_text() == str(row.trial)
        page.mouse.move(1, 1)
        page.wait_for_selector("#hover", state="hidden")


def test_a_finger_pins_a_network_too(view, search):
    page = view(search, width=390, touch=True)
    at = place(page, 1, 0)
    page.touchscreen.tap(at["left"], at["top"])
    row = open_run(search).pareto().iloc[0]
    page.wait_for_selector(f'[data-pin="trial"]:text-is("Trial {row.trial}")')
    assert pinned(page) == shown(row)


@pytest.mark.parametrize("cost", COSTS)
def test_the_numbers_are_those_of_the_dataframe(view, search, cost):
    page = view(search)
    page.check(f'input[value="{cost}"]', force=True)
    run = open_run(search)
    x, y = page.evaluate(
        "(() => { const {x, y} = document.querySelector('.plot').data[1]; return [x, y] })()"
    )
    front = run.pareto(minimize=[cost]).sort_values([cost, "trial"])
    assert x == front[cost].to_list()
    assert y == front["accuracy"].to_list()
    every = page.evaluate("document.querySelector('.plot').data.slice(0, 2).map((trace) => trace.x.length)")
    assert sum(every) == len(run.networks())


def test_the_table_has_the_front_and_its_buttons_pin_and_copy(view, search):
    page = view(search)
    front = open_run(search).pareto()
    rows = page.locator("#table-front tbody tr").all()
    assert [row.locator("td").nth(1).inner_text() for row in rows] == [f"{a:.4f}" for a in front["accuracy"]]
    assert [row.locator("code").inner_text() for row in rows] == list(front["arch"])
    rows[1].locator("button.pin").click()
    assert pinned(page) == shown(front.iloc[1])
    rows[0].locator("button.copy").click()
    page.wait_for_selector('button.copy:text-is("Copied")')
    assert page.evaluate("navigator.clipboard.readText()") == front["arch"].iloc[0]


def test_copying_works_without_a_clipboard_for_files(view, search):
    page = view(search)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.locator("#pinned button.copy").click()
    page.wait_for_selector('button.copy:text-is("Copied")')
    page.evaluate("document.body.append(Object.assign(document.createElement('textarea'), {id: 'paste'}))")
    page.focus("#paste")
    page.keyboard.press("Control+V")
    assert page.input_value("#paste") == pinned(page)["arch"]


def test_no_button_sends_a_figure_anywhere(view, search):
    page = view(search)
    titles = page.eval_on_selector_all(".modebar-btn", "buttons => buttons.map((b) => b.dataset.title)")
    assert set(titles) == {"Download plot as a PNG", "Zoom", "Pan", "Reset axes"}


def test_progress_is_the_best_reward_so_far(view, search):
    page = view(search)
    progress = page.evaluate("document.querySelector('[data-figure=progress]').data.at(-1)")
    rewards = open_run(search).trials()["reward"]
    assert progress["y"][-1] == rewards.max()
    best = rewards.cummax()
    assert all(best[x] == y for x, y in zip(progress["x"], progress["y"], strict=True))


def test_text_of_a_run_is_shown_as_text(view, search):
    worst = int(open_run(search).networks().sort_values("reward")["trial"].iloc[0])
    failed = "UPDATE trials SET status = 'failed', error = ?, reward = NULL WHERE trial = 3"
    edit(search, failed, ATTACK)
    edit(search, "UPDATE trials SET arch = ?, accuracy = 0.99 WHERE trial = ?", ATTACK, worst)
    config = open_run(search).config | {ATTACK: ATTACK, "command": ["nas", ATTACK]}
    Path(search, "config.json").write_text(json.dumps(config))
    page = view(search)
    assert page.inner_text("#table-failures .error") == ATTACK
    assert page.locator(".config dt", has_text=ATTACK).count() == 1
    page.locator("#table-front tr", has_text=ATTACK).locator("button.pin").click()
    assert pinned(page)["arch"] == ATTACK
    assert page.locator("main script").count() == 0


def test_errors_that_differ_in_numbers_only_are_counted_together(view, search):
    for trial in range(5):
        error = f"ArithmeticError: loss is nan in epoch {trial}"
        edit(search, "UPDATE trials SET status = 'failed', error = ? WHERE trial = ?", error, trial)
    edit(search, "UPDATE trials SET status = 'failed', error = 'MemoryError' WHERE trial = 9")
    page = view(search)
    rows = [row.inner_text().split("\t") for row in page.locator("#table-failures tbody tr").all()]
    assert rows[0] == ["5", "ArithmeticError: loss is nan in epoch 0", "0, 1, 2, 3, 4"]
    assert rows[1][:2] == ["1", "MemoryError"]


def test_a_page_begins_with_the_verdict_and_says_what_to_do_next(view, search):
    page = view(search)
    run = open_run(search)
    assert page.inner_text("main > :nth-child(2)") == search_verdict(run).replace(" (*)", "")
    assert next_commands(page) == [command for _, command in search_steps(run)]
    edit(search, "UPDATE trials SET status = 'running', reward = NULL, accuracy = NULL WHERE trial > 99")
    page = view(search)
    assert page.inner_text(".verdict").startswith("So far, after 100 of 150 trials, the best of ")
    assert next_commands(page) == ["nas report r --follow", "nas resume r"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_search_fits_the_window(view, search, tmp_path, width, scheme):
    page = view(search, width, scheme)
    look(page, tmp_path / f"search-{width}-{scheme}.png")
    assert page.locator("#what-the-controller-came-to-prefer figure").count() == 8
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(244, 246, 248)" if scheme == "light" else "rgb(16, 20, 24)")


def test_figures_follow_the_colour_scheme(view, search):
    page = view(search)
    color = "document.querySelector('.plot').data[1].marker.color"
    assert page.evaluate(color) == "#0072b2"
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(f"{color} == '#56b4e9'")


@pytest.mark.parametrize("width", [1280, 390])
def test_a_training_run_shows_its_learning_curves(view, nas, tmp_path, width):
    short = few_images(tmp_path / "few.npz")
    options = ["--space", "mnas", *short, "--address", "inline", "--trials", 6, "--confirm", 2, "--run", "r"]
    assert nas("search", *options)[0] == 0
    page = view("r", width)
    look(page, tmp_path / f"training-{width}.png")
    run = open_run("r")
    curves = page.evaluate("document.querySelector('[data-figure=curves]').data.map(({x, y}) => [x, y])")
    epochs = run.epochs().set_index("trial")
    expected = [epochs.loc[trial] for trial in run.pareto()["trial"]]
    assert curves == [[list(curve["epoch"]), list(curve["accuracy"])] for curve in expected]
    assert str(run.seed_noise()) in page.inner_text(".noise")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_scaling_run_shows_grid_choice_and_family(view, nas, tmp_path, width, scheme):
    file = table(tmp_path / "t.csv", np.linspace(0.7, 0.8, len(candidates())))
    assert nas("scale", "--evaluator", file, "--strategy", "compound,depth", "--run", "r")[0] == 0
    page = view("r", width, scheme)
    look(page, tmp_path / f"scaling-{width}-{scheme}.png")
    data = json.loads(page.text_content("#data"))["figures"]
    compared, family = pd.read_csv("r/grid.csv"), pd.read_csv("r/family.csv")
    means = [x for trace in data["means"]["data"] for x in trace["x"]]
    assert sorted(means) == pytest.approx(sorted(compared["reward"]))
    grid = {trace["name"]: trace["x"] for trace in data["grid"]["data"]}
    assert len(grid["compared"]) + len(grid["too cheap or too dear"]) == 65
    assert len(grid["compared"]) == len(candidates())
    assert grid["chosen"] == compared.loc[compared["chosen"], "growth"].to_list()
    assert data["family-flops"]["data"][-1]["y"] == family["flops"].to_list()
    assert page.inner_text("main > :nth-child(2)").startswith("Chosen: alpha ")
    assert next_commands(page) == ["nas show r:B7", "nas train r:B1", "nas train r:B1 --time 10m"]
    codes = [code.inner_text() for code in page.locator("#table-family code").all()]
    assert codes == family["arch"].to_list()


def test_a_page_is_written_whole_or_not_at_all(search, monkeypatch):
    write_page(open_run(search)).write_text("the old one")
    monkeypatch.setattr("nas.runs.page.render", lambda page: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_page(open_run(search))
    assert {path.name for path in Path(search).glob("report*")} == {"report.html"}
    assert Path(search, "report.html").read_text() == "the old one"


def test_a_run_without_a_finished_trial_has_no_page(search):
    edit(search, "UPDATE trials SET status = 'failed', accuracy = NULL, reward = NULL, error = 'no'")
    with pytest.raises(InputError, match="run must have a finished trial"):
        write_page(open_run(search))


def test_chances_errors_and_random_search_are_shown_if_they_are_known(search):
    page = collect(open_run(search))
    networks = page.networks.assign(p_best=0.25, p_front=0.5, accuracy_error=0.0123)
    random = pd.DataFrame({"trial": range(150), "expected": np.linspace(0.9, 1.0, 150)})
    text = render(dataclasses.replace(page, networks=networks, random_best=random))
    assert "±0.0123" in text
    assert ">25 %<" in text
    assert ">50 %<" in text
    assert "random search, expected best" in text


def test_every_figure_is_one_that_plotly_knows(search):
    page = collect(open_run(search))
    data = re.search(r'id="data">(.*?)</script>', render(page))[1]
    for figure in json.loads(data)["figures"].values():
        plotly.graph_objects.Figure(figure)  # its constructor validates


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_an_audit_shows_its_verdict_and_what_it_is_from(view, nas, tmp_path, width, scheme):
    options = [*few_images(tmp_path / "few.npz"), "--proxy", "batch_size=32", "--proxy", "width=0.1"]
    options += ["--space", "nasbench-macro", "--reference", MACRO_TABLE, "--long", "epochs=3"]
    arguments = ["audit", *options, "--networks", 4, "--seeds", 2, "--address", "inline", "--run", "r"]
    assert nas(*arguments)[0] == 0
    page = view("r", width, scheme)
    look(page, tmp_path / f"audit-{width}-{scheme}.png")
    table = pd.read_csv("r/audit.csv")
    data = json.loads(page.text_content("#data"))["figures"]
    pairs = {
        "seeds": ("seed_1", "seed_2"),
        "longer": ("accuracy", "long_accuracy"),
        "reference": ("accuracy", "reference"),
    }
    for name, (x, y) in pairs.items():
        points = data[f"audit-{name}"]["data"][0]
        assert (points["x"], points["y"]) == (list(table[x]), list(table[y]))
        plotly.graph_objects.Figure(data[f"audit-{name}"])
    verdict = json.loads(Path("r/audit.json").read_text())["verdict"]
    assert page.inner_text(".verdict") == verdict[-1]
    assert page.locator("#is-the-proxy-any-good li").all_inner_texts() == verdict[:-1]
    errors = page.locator("#table-front td[data-label=accuracy]").all_inner_texts()
    known = {f"{row.accuracy:.4f} ±{row.accuracy_error:.4f}" for row in table.itertuples()}
    assert set(errors) <= known  # one error everywhere
    assert next_commands(page) == [command for _, command in audit_next(open_run("r"))]
    assert page.locator("#progress").count() == 0
    assert "random search" not in page.inner_text("main")


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_of_a_training_draws_its_curves_and_compares_nothing(nas, view, tmp_path, width):
    data = few_images(tmp_path / "few.npz")[:2]
    arch = "res8-silu-stem8-conv_r1_k3_s1_c8-head32"
    assert nas("train", arch, *data, "--epochs", 3, "--threads", 1, "--run", "r", "-q") == (0, "", "")
    page = view("r", width)
    look(page, tmp_path / f"trained-{width}.png")
    named, used, *commands = next_commands(page)
    assert used.startswith("from nas import load_classifier")
    assert [named, *commands] == ["nas predict r photos", "nas export r --to onnx", "nas show r"]
    assert page.locator(".plot .main-svg").count() > 0
    assert page.locator(".plot").count() == 3
    metrics = json.loads(Path("r/metrics.json").read_text())["valid"]
    rows = page.locator("#table-classes tbody tr").all()
    assert [row.locator("td").nth(4).inner_text() for row in rows] == [
        str(one["images"]) for one in metrics["classes"]
    ]
    counts = page.evaluate("document.querySelector('[data-figure=confusion]').data[0].text")
    assert [[int(number or 0) for number in row] for row in counts] == metrics["confusion"]
    assert "Pareto" not in page.inner_text("main")


@pytest.fixture
def everything(nas, tmp_path):
    """A search for all budgets of three costs, of which one is none of the formulas."""
    space, rng = SPACES["accel-nasbench"], np.random.default_rng(0)
    archs = [*dict.fromkeys(space.decode(space.sample(rng)) for _ in range(60))]
    priced = [cost(arch) for arch in archs]
    rows = {"arch": map(str, archs), "latency": [price.activations / 1e6 for price in priced]}
    accuracies = [0.5 + 0.02 * np.log(price.params) for price in priced]
    pd.DataFrame({**rows, "accuracy": accuracies}).to_csv("accel.csv", index=False)
    aims = [word for name in ("latency", "params", "flops") for word in ("--target", name)]
    asked = ["--space", "accel-nasbench", "--evaluator", "predictor:accel.csv", "--controller", "random"]
    code, _, err = nas("search", *asked, "--trials", 80, "--reward", "pareto", *aims, "--run", "r", "-q")
    assert (code, err) == (0, "")
    return open_run("r")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_search_for_all_budgets_shows_every_two_costs_and_all(view, everything, tmp_path, width, scheme):
    page = view("r", width, scheme)
    look(page, tmp_path / f"pareto-{width}-{scheme}.png")
    assert page.locator("input[name=cost]:checked").get_attribute("value") == "latency"
    table = everything.networks().reset_index(drop=True)
    page.check("input[name=second][value=params]", force=True)
    shown = page.evaluate("document.querySelector('[data-figure=front]').data[1].customdata")
    assert sorted(shown) == pareto_front(table, minimize=["latency", "params"]).index.tolist()
    colours = page.evaluate("document.querySelector('[data-figure=front]').data[1].marker.color")
    assert colours == [float(table["params"][row]) for row in shown]
    page.check('input[name=second][value=""]', force=True)
    single = page.evaluate("document.querySelector('[data-figure=front]').data[1].customdata")
    assert sorted(single) == pareto_front(table, minimize=["latency"]).index.tolist()
    lines = page.evaluate("document.querySelector('[data-figure=parallel]').data[0].dimensions")
    assert [line["label"] for line in lines] == ["accuracy", "latency (ms)", "parameters", "FLOPs"]
    assert len(lines[0]["values"]) == len(table)
    trials = page.locator("#table-front td[data-label=trial]").all_inner_texts()
    assert [int(trial) for trial in trials] == everything.pareto()["trial"].tolist()
    assert "reward" not in page.inner_text("main").split("Configuration")[0]


def test_a_page_needs_no_flops(search):
    page = collect(open_run(search))
    latency = page.networks["activations"] / 1e6
    networks = page.networks.drop(columns=["flops", "params", "activations"]).assign(latency=latency)
    text = render(dataclasses.replace(page, networks=networks, aims=("latency",)))
    figures = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["figures"]
    assert [name for name in figures if name.startswith("front")] == ["front-latency"]
    assert "in accuracy and latency" in text
    bare = render(dataclasses.replace(page, networks=networks.drop(columns="latency"), aims=()))
    assert 'id="pareto-front"' not in bare


def test_measured_latencies_stand_beside_those_that_were_predicted(search):
    page = collect(open_run(search))
    networks = page.networks.assign(latency=2.0, latency_measured=2.5, latency_error=-0.2)
    text = render(dataclasses.replace(page, networks=networks, aims=("latency",)))
    assert '<td data-label="measured">2.5 ms</td><td data-label="error">-20.0 %</td>' in text
