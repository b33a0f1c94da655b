"""What a reader asked for and the store does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from affectstore.errors import StoreError


class AbsentError(StoreError, KeyError):
    """A feature, split or clip that is not there: also a KeyError, for code that treats the store as a mapping."""

    def __str__(self) -> str:
        # KeyError would show the message in quotes
        return str(self.args[0])


def near(name: str, known: Iterable[str]) -> str:
    """A hint at names like `name`, or how many there are."""
    known = list(known)
    # a million names are not compared one by one: those that begin alike are enough
    pool = known if len(known) <= 20_000 else [other for other in known if other[:4] == name[:4]]
    close = difflib.get_close_matches(name, pool, n=3)
    if close:
        return f"did you mean {', '.join(map(repr, close))}?"
    return f"known: {', '.join(known)}" if len(known) <= 12 else f"{len(known)} are known, such as {known[0]!r}"
