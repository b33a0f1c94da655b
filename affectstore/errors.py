"""Errors that say what was asked, what is known and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AffectstoreError(Exception):
    """Base of every error this package raises on purpose; the CLI prints it without a traceback."""


class ConfigError(AffectstoreError):
    """The configuration names an unknown key, an unknown name or an impossible option."""


class CorpusError(AffectstoreError):
    """A corpus folder is missing, empty or not laid out as its card says."""


class ClipError(AffectstoreError):
    """One clip cannot be processed; the run goes on and the reason is kept beside the clip."""


class NotApplicable(ClipError):
    """A feature has no meaning for this clip (pictures of an audio-only recording): not a failure."""


class StoreError(AffectstoreError):
    """A store, feature, shard or clip that was asked for is not there or not usable."""


class IntegrityError(StoreError):
    """Stored bytes do not agree with their digest, index or ledger."""


class StaleError(AffectstoreError):
    """A job was planned under another configuration than the one it found."""


class UnknownNameError(ConfigError):
    """A name that no file of its folder declares; the message lists the known ones, or gives the name of today."""

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, renamed_to: str | None = None, where: str = ""
    ) -> None:
        """Compose the message.

        Args:
            kind: Kind of name, such as "encoder" or "key".
            name: The unknown name.
            known: All known names.
            renamed_to: Name of today, if `name` is a former one; the message then is one line that says so.
            where: Place in the configuration, such as "train.schedule"; left out if `kind` says it.
        """
        known = sorted(known)
        text = f"unknown {kind} {name!r}" + (f" in {where}" if where else "")
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        if renamed_to is not None:
            super().__init__(f"{text}: it is now called {renamed_to!r}")
        else:
            super().__init__(f"{text}; known: {', '.join(known) or 'none'}.{hint}")
        self.kind, self.name, self.known = kind, name, tuple(known)
