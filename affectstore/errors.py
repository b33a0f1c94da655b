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
    """A name that no file of its folder declares; the message lists the known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]):
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        listed = ", ".join(known) if known else "none"
        super().__init__(f"unknown {kind} {name!r}; known: {listed}.{hint}")
        self.kind, self.name, self.known = kind, name, tuple(known)
