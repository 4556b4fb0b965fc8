"""HTML and embedded JSON in which text from a run always stays text."""

from __future__ import annotations

import html
import json

from reports.json_values import plain

VOID = ("meta", "input", "rect", "use", "path", "line")
"""Tags that have no children here; they are closed, as SVG requires."""


class Html(str):
    """Text that is HTML already; every other string is escaped where it enters a page."""

    __slots__ = ()


def escape(value: object) -> Html:
    """``value`` as text of a page."""
    return value if isinstance(value, Html) else Html(html.escape(str(value)))


def join(*parts: object) -> Html:
    """Parts one after another, escaped unless they are ``Html``."""
    return Html("".join(map(escape, parts)))


def tag(tag_name: str, *children: object, **attributes: object) -> Html:
    """An element; ``class_`` gives class, ``data_figure`` data-figure, and None leaves an attribute out."""
    written = "".join(
        f' {name.strip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    if tag_name in VOID:
        return Html(f"<{tag_name}{written}/>")
    return Html(f"<{tag_name}{written}>{join(*children)}</{tag_name}>")


def embedded_json(value: object) -> Html:
    """JSON for a ``<script>``: it cannot end the script or begin a comment; NaN and infinity become null."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(text)
