"""Tables that fit the terminal: on a narrow one the least important columns are left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

GAP = 1
"""Blanks between two columns."""


class Column(NamedTuple):
    """A column: its title, and the options of ``rich.table.Table.add_column``."""

    title: str
    options: dict[str, Any]


class FittedTable:
    """Rows of text under titles; leaves out columns where they do not fit.

    Args:
        first: the title of the first column, which holds names.
        numbers: the titles of columns of numbers.
        least: titles of columns that may be left out, the least important first.
        title: stands above the table.
        gap: blanks between two columns.
    """

    def __init__(
        self, first: str, *numbers: str, least: Sequence[str] = (), title: str | None = None, gap: int = GAP
    ) -> None:
        number = {"justify": "right", "no_wrap": True}
        self.columns = [Column(first, {"no_wrap": True}), *(Column(name, number) for name in numbers)]
        self.least, self.title, self.gap = least, title, gap
        self.rows: list[tuple[str, ...]] = []

    def add_words(self, title: str, min_width: int = 1) -> None:
        """Adds a column of words, which are wrapped where it is narrower, down to ``min_width``."""
        self.columns.append(Column(title, {"overflow": "fold", "min_width": min_width}))

    def add_row(self, *cells: str) -> None:
        """Adds a row, one text for each column."""
        self.rows.append(cells)

    def without(self, titles: Sequence[str]) -> Table:
        """The table without the columns ``titles``."""
        kept = [index for index, column in enumerate(self.columns) if column.title not in titles]
        table = Table(box=None, pad_edge=False, padding=(0, self.gap, 0, 0), title=self.title)
        table.title_justify = "left"
        for index in kept:
            table.add_column(self.columns[index].title, **self.columns[index].options)
        for row in self.rows:
            table.add_row(*(row[index] for index in kept))
        return table

    def least_width(self, titles: Sequence[str]) -> int:
        """The fewest terminal columns that the table needs without the columns ``titles``."""
        widths = []
        for index, column in enumerate(self.columns):
            if column.title not in titles:
                texts = [column.title, *(row[index] for row in self.rows)]
                widths.append(column.options.get("min_width") or max(map(cell_len, texts)))
        return sum(widths) + self.gap * (len(widths) - 1)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        left_out = (self.least[:number] for number in range(len(self.least)))
        fits = (titles for titles in left_out if self.least_width(titles) <= options.max_width)
        yield self.without(next(fits, self.least))


class SideBySide:
    """Columns of numbers under names of any length, in as many tables as the terminal needs.

    Args:
        titles: of the rows.
        columns: each name with its cells, one for each row.
    """

    def __init__(self, titles: Sequence[str], columns: Sequence[tuple[str, Sequence[str]]]) -> None:
        self.titles, self.columns = titles, columns

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        names = [name for name, _ in self.columns]
        if self._width(names) > options.max_width:
            names = [str(number) for number in range(1, len(names) + 1)]
            yield from (
                Text(f"{name}: {column[0]}") for name, column in zip(names, self.columns, strict=True)
            )
        first = 0
        while first < len(names):
            last = first + 1
            while last < len(names) and self._width(names[first : last + 1], first) <= options.max_width:
                last += 1
            yield Text("")
            yield self._table(names, first, last)
            first = last

    def _width(self, names: Sequence[str], first: int = 0) -> int:
        """The columns that ``names``, from number ``first`` on, would need."""
        cells = [cell for _, cell in self.columns[first : first + len(names)]]
        wide = [max(map(cell_len, [name, *column])) for name, column in zip(names, cells, strict=True)]
        return max(map(cell_len, self.titles)) + sum(wide) + 2 * len(names)

    def _table(self, names: Sequence[str], first: int, last: int) -> Table:
        table = FittedTable("", *names[first:last], gap=2)
        for number, title in enumerate(self.titles):
            table.add_row(title, *(column[number] for _, column in self.columns[first:last]))
        return table.without(())
