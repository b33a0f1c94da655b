"""The embedded corpus: drawn faces that talk with espeak-ng's voice, named as in CREMA-D.

No photograph and no recording is in it: sound and picture are computed from a seed, so it may go wherever
the code goes. How an emotion sounds and looks is in `_emotions.py`; what comes out lies in
`video/NAME.mp4` (picture and sound) and `words/NAME.tsv` (when each word is spoken).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affectstore.corpora._crema_d_names import EMOTIONS
from affectstore.corpora.base import Card, Found
from affectstore.corpora.synthetic._find import find_clips
from affectstore.corpora.synthetic._generate import GENERATOR, generate
from affectstore.corpora.synthetic._options import Options
from affectstore.errors import ConfigError

__all__ = ["CARD", "GENERATOR", "Options", "find", "prepare"]

#: `counts` is empty: how many clips there are is an option.
CARD = Card(
    name="synthetic",
    title="Synthetic talking faces",
    licence="MIT, as this package; speech by espeak-ng (GPL-3.0-or-later), whose output is not covered by its licence",
    citation="Made by affectstore; the naming follows Cao et al. (2014), CREMA-D.",
    url="",
    labels=tuple(EMOTIONS),
    label_names=EMOTIONS,
    counts={},
)


def find(root: Path, options: Mapping[str, Any]) -> Found:
    """Every clip that lies under `root` now, also those that were added or changed by hand.

    Raises:
        ConfigError: an option is unknown or impossible.
        CorpusError: the folder is missing or empty.
    """
    _validated(options)
    return find_clips(Path(root), CARD.name)


def prepare(root: Path, options: Mapping[str, Any], jobs: int | None = None) -> None:
    """Make the clips that were not made yet.

    Files that were made under the same options are never touched again, so whoever changes, adds or
    deletes one finds it so. More `clips` add files; fewer, another seed or another version of the
    generator remove or replace those that were made.

    Args:
        root: the corpus folder; made when it is not there.
        options: of `Options`.
        jobs: processes; one per core by default.

    Raises:
        ConfigError: an option is unknown or impossible.
        CorpusError: a clip cannot be made.
    """
    generate(Path(root), _validated(options), _cores() if jobs is None else jobs)


def _cores() -> int:
    """Cores this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _validated(options: Mapping[str, Any]) -> Options:
    try:
        return Options(**options)
    except ValidationError as error:
        known = ", ".join(Options.model_fields)
        problems = "; ".join(
            f"{'.'.join(map(str, item['loc']))}: {item['msg']}, got {item['input']!r}" for item in error.errors()
        )
        raise ConfigError(f"corpus 'synthetic': {problems}; known options: {known}") from error
