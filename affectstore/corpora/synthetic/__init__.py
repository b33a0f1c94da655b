"""Generated corpus: drawn faces that talk with espeak-ng's voices, with names as in CREMA-D.

It holds no photograph and no recording: video and audio are computed from a seed, so it may be passed on with the code.
`_emotions.py` defines how an emotion sounds and looks. The files are `video/NAME.mp4` (video and audio) and
`words/NAME.tsv` (start and end of each word).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from affectstore.corpora._crema_d_names import EMOTIONS
from affectstore.corpora.base import Card, ScanResult
from affectstore.corpora.synthetic._find import find_clips
from affectstore.corpora.synthetic._generate import GENERATOR, generate
from affectstore.corpora.synthetic._options import Options
from affectstore.errors import ConfigError

__all__ = ["CARD", "GENERATOR", "Options", "find", "prepare"]

#: `counts` is empty: the number of clips is an option.
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


def find(root: Path, options: Mapping[str, Any]) -> ScanResult:
    """Find every clip below `root`, also those that were added or changed by hand.

    Raises:
        ConfigError: An option is unknown or impossible.
        CorpusError: The folder is missing or empty.
    """
    _validated(options)
    return find_clips(Path(root), CARD.name)


def prepare(root: Path, options: Mapping[str, Any], jobs: int | None = None) -> None:
    """Generate the missing clips.

    Files that were generated under the same options are never touched again, so that files may be changed, added or
    deleted by hand. More `clips` add files; fewer `clips`, another seed or another version of the generator remove or
    replace generated files.

    Args:
        root: Folder of the corpus; created if it is missing.
        options: Fields of `Options`.
        jobs: Number of processes; one per core by default.

    Raises:
        ConfigError: An option is unknown or impossible.
        CorpusError: A clip cannot be generated.
    """
    generate(Path(root), _validated(options), _cores() if jobs is None else jobs)


def _cores() -> int:
    """Count the cores that this process may use, if the system tells, or all cores."""
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
