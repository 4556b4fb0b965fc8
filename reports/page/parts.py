"""The parts that the page's sections are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from reports.page.markup import Html, join, tag

ARCHITECTURE = "architecture"
"""The title of a table's column of architecture strings, which can be copied."""


def section(title: str, *parts: object) -> Html:
    """A section of the page; the words of its heading are its anchor."""
    anchor = "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())
    return tag("section", tag("h2", title), *parts, id=anchor)


def plot(name: str, label: str, style: str | None = None) -> Html:
    """The place of the figure ``name``."""
    return tag("div", class_="plot", data_figure=name, role="img", aria_label=label, style=style)


def hint(*words: object) -> Html:
    """A paragraph in small print."""
    return tag("p", *words, class_="hint")


def titled(title: str, *parts: object) -> Html:
    """Parts under a small heading, side by side with others in a grid."""
    return tag("div", tag("h3", title), *parts)


def bullets(lines: Iterable[str]) -> Html:
    """A bulleted list."""
    return tag("ul", *(tag("li", words(line)) for line in lines))


def words(line: str) -> Html:
    """A line in which no option such as ``--seeds`` is broken at its hyphens."""
    parts = re.split(r"(--[a-z-]+)", line)
    return join(*(tag("span", part, class_="option") if part.startswith("--") else part for part in parts))


def next_section(steps: Iterable[tuple[str, str]]) -> Html:
    """What to do next: words, and the command, which can be copied."""
    return section(
        "What to do next",
        tag(
            "dl",
            *(tag("div", tag("dt", words), tag("dd", copyable(line, whole=True))) for words, line in steps),
            class_="steps",
        ),
    )


def key(kind: str, text: str) -> Html:
    """An entry of a legend; ``kind`` is the CSS class of its colour."""
    return tag("span", tag("i", class_=f"swatch {kind}"), text, class_="key")


def tiles(numbers: Iterable[tuple[str, str, str]]) -> Html:
    """Large numbers side by side: name, value and a note for each."""
    cells = (
        tag("div", tag("dt", name), tag("dd", value), tag("dd", note, class_="note"), class_="tile")
        for name, value, note in numbers
    )
    return tag("dl", *cells, class_="tiles")


def copyable(text: str, *, whole: bool = False) -> Html:
    """Text with a button that copies it; cut to one line unless ``whole``."""
    button = tag("button", "Copy", type="button", class_="copy")
    return tag("div", button, tag("code", text), class_="copyable whole" if whole else "copyable")


def data_table(header: Sequence[str], rows: Iterable[Sequence[object]], name: str) -> Html:
    """A table whose rows become cards on a phone; the first column names the row."""
    head = tag("tr", *(tag("th", title, scope="col") for title in header))
    body = [
        tag("tr", *(_cell(title, value) for title, value in zip(header, row, strict=True))) for row in rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="data", id=f"table-{name}")


def _cell(title: str, value: object) -> Html:
    if title == ARCHITECTURE:
        return tag("td", copyable(str(value)), class_="arch", data_label=title)
    return tag("td", value, data_label=title)


def facts(pairs: Iterable[tuple[str, object]], kind: str = "facts") -> Html:
    """Names and values."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs), class_=kind)
