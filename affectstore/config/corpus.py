"""Model of `corpora.<name>` of config.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from affectstore.config.base import Settings


class CorpusSettings(Settings):
    """Location of a corpus, and the number of its shards."""

    kind: str | None = Field(
        default=None,
        description="Name of a file in `affectstore/corpora/`; by default the corpus' own name. `folder` reads clips "
        "of your own, under one name per folder.",
    )
    root: str = Field(
        description="Folder of the corpus, in which a generated corpus is written. `${NAME}` is replaced by an "
        "environment variable."
    )
    shards: int = Field(
        ge=1,
        le=1000,
        description="Number of shards; fixed, so that new clips never move old ones. If it is changed, results are "
        "copied, not computed again. One shard is one job per feature.",
    )
    options: dict[str, Any] = Field(
        default={}, description="Options of the corpus file, if it has any (`synthetic`: clips, seed, ...)."
    )
