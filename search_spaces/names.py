"""Names that people type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from search_spaces.limits import shown


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """``unknown space 'mans'; did you mean 'mnas'? Known: ...``."""
    known = list(known)
    close = difflib.get_close_matches(name[:100], known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {shown(name)}{hint} Known: {', '.join(known) or 'none'}"
