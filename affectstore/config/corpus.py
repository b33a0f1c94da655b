"""`corpora.<name>` of config.yaml."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from affectstore.config.base import Settings


class CorpusSettings(Settings):
    """Where a corpus lies and into how many shards its clips are dealt."""

    kind: str | None = Field(
        default=None,
        description="Name of a file in `affectstore/corpora/`; by default the corpus' own name. `folder` reads clips "
        "of your own, under as many names as there are folders.",
    )
    root: str = Field(
        description="Folder of the corpus. `${NAME}` stands for an environment variable. For an embedded corpus: "
        "where its media are made."
    )
    shards: int = Field(
        ge=1,
        le=1000,
        description="Number of shards; fixed, so that adding clips never moves old ones. Changing it copies, it "
        "computes nothing again. One shard is one job per feature.",
    )
    options: dict[str, Any] = Field(
        default={}, description="Options of the corpus itself, for those that have any (`synthetic`: clips, seed, ...)."
    )
