"""Errors that say what was asked, what is known and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

#: Up to so many known names a message lists them all.
_LISTED = 100
#: Up to so many known names all of them are compared with a misspelt one.
_COMPARED = 20_000


class AffectstoreError(Exception):
    """Base of every error this package raises on purpose; the CLI prints it without a traceback."""


class ConfigError(AffectstoreError):
    """The configuration names an unknown key, an unknown name or an impossible option."""


class CorpusError(AffectstoreError):
    """A corpus folder is missing, empty or not laid out as its card states."""


class ClipError(AffectstoreError):
    """One clip cannot be processed; the run goes on and the reason is kept beside the clip."""


class NotApplicable(ClipError):
    """A feature has no meaning for this clip (images of an audio-only recording): not a failure."""


class StoreError(AffectstoreError):
    """A store, feature, shard or clip that was asked for is missing or not usable."""


class AbsentError(StoreError, KeyError):
    """A missing feature, split or clip: also a KeyError, for code that treats the store as a mapping."""

    def __str__(self) -> str:
        """Return the message without the quotes that KeyError puts around it."""
        return str(self.args[0])


class IntegrityError(StoreError):
    """Stored bytes do not agree with their digest, index or ledger."""


class StaleError(AffectstoreError):
    """A job was planned under another configuration than the one it found."""


class UnknownNameError(ConfigError):
    """A name that no file of its folder declares; the message lists the known ones, or names its replacement."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, renamed_to: str | None = None, where: str = ""
    ) -> None:
        """Compose the message.

        Args:
            kind: Kind of name, such as "encoder" or "key".
            name: The unknown name.
            known: All known names.
            renamed_to: Name of today, if `name` is a former one; the message is then one line that says so.
            where: Place in the configuration, such as "train.schedule"; left out if `kind` says it.
        """
        known = sorted(known)
        text = f"unknown {kind} {name!r}" + (f" in {where}" if where else "")
        if renamed_to is not None:
            super().__init__(f"{text}: it is now called {renamed_to!r}")
        else:
            super().__init__(f"{text}; {did_you_mean(name, known)}")
        self.kind, self.name, self.known = kind, name, tuple(known)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """List the known names, or count them where they are many, and suggest those that resemble `name`."""
    known = list(known)
    # A million names are not compared one by one: those with the same beginning are enough.
    pool = known if len(known) <= _COMPARED else [other for other in known if other[:4] == name[:4]]
    few = len(known) <= _LISTED
    close = difflib.get_close_matches(name, pool, n=1 if few else 3)
    listed = f"known: {', '.join(known) or 'none'}." if few else f"{len(known)} are known, such as {known[0]!r}."
    return f"{listed} Did you mean {', '.join(map(repr, close))}?" if close else listed
