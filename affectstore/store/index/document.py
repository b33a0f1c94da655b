"""JSON documents of a store whose digest is that of their bytes."""

from __future__ import annotations

import abc
import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar, Self

from affectstore.digest import canonical_json
from affectstore.errors import IntegrityError, StoreError
from affectstore.store.paths import FORMAT


class Document(abc.ABC):
    """A JSON document of this version's format.

    Attributes:
        kind: Name of such a document in messages.
    """

    kind: ClassVar[str]

    @abc.abstractmethod
    def canonical(self) -> bytes:
        """Write the bytes that a document of this content has."""

    @classmethod
    @abc.abstractmethod
    def from_json(cls, written: Any) -> Self:
        """Build a document from its parsed JSON; the errors of missing or impossible values are ValueError and kin."""

    @cached_property
    def encoded(self) -> bytes:
        """The file's bytes: as they were read, or else in canonical form."""
        return self.canonical()

    @cached_property
    def digest(self) -> str:
        """The sha256 of the file's bytes."""
        return hashlib.sha256(self.encoded).hexdigest()

    @classmethod
    def decode(cls, data: bytes, source: str) -> Self:
        """Build a document from its file's bytes.

        Args:
            data: Bytes of the file.
            source: Address of the file, for messages.

        Raises:
            IntegrityError: The bytes are not such a document.
            StoreError: A format that this version does not read.
        """
        try:
            written = json.loads(data)
            if written["format"] != FORMAT:
                raise StoreError(f"{source} has store format {written['format']!r}; this version reads format {FORMAT}")
            return cls.from_json(written)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{source} is not a whole {cls.kind}: {error}") from error


def lines_of(head: dict[str, Any], name: str, rows: Sequence[Any]) -> bytes:
    """Write the entries of `head` and a list of rows, one line each, so that people can compare files."""
    lines = [f"{canonical_json(key)}:{canonical_json(value)}," for key, value in head.items()]
    return ("{" + "\n".join([*lines, f'"{name}":[', ",\n".join(map(canonical_json, rows))]) + "\n]}\n").encode()
