"""Assignment of the clips of a corpus to folds and subsets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from affectstore.errors import UnknownNameError
from affectstore.jobs.begin import begin_job
from affectstore.paths import RESULTS
from affectstore.preflight.scan import read_manifest
from affectstore.splits.base import PROTOCOLS, check_protocol, write_split


def split(config: Path, corpus: str, protocol: str) -> dict[str, Any]:
    """Split, check, and write the split with its digest; a copy goes beside the published features.

    Args:
        config: Resolved configuration of the run.
        corpus: The corpus.
        protocol: Name of a file in affectstore/splits/.

    Returns:
        The record beside the split.
    """
    resolved = begin_job(config)
    if corpus not in resolved.config.corpora:
        raise UnknownNameError("corpus in config.yaml", corpus, resolved.config.corpora)
    check_protocol(protocol)
    clips = read_manifest(RESULTS.manifest(corpus))
    folders = [RESULTS.split(corpus, protocol).parent, RESULTS.published_split(corpus, protocol).parent]
    return write_split(PROTOCOLS.load(protocol).split(clips), corpus, protocol, clips, folders)
