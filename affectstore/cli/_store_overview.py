"""What the store holds of a corpus, counted from its ledgers, for the report."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from affectstore.evaluation.overview import FeatureOverview
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import ledger_files


def store_overview(folder: Path) -> tuple[FeatureOverview, ...]:
    """Every feature below a corpus' folder of the store, by name.

    Raises:
        IntegrityError: a ledger is not whole.
    """
    found = []
    for feature in sorted(path for path in folder.glob("*") if (path / "shards").is_dir()):
        ledgers = [Ledger.read(path) for path in ledger_files(feature).values()]
        entries = [entry for ledger in ledgers for entry in ledger.clips]
        if ledgers:
            found.append(
                FeatureOverview(
                    name=feature.name,
                    shards=len(ledgers),
                    statuses=Counter(entry.status for entry in entries),
                    reasons=dict(Counter(entry.reason for entry in entries if entry.status == "failed").most_common()),
                    rows=sum(ledger.rows for ledger in ledgers),
                    bytes=sum(ledger.size_bytes for ledger in ledgers),
                    digest=", ".join(sorted({ledger.feature_digest[:12] for ledger in ledgers})),
                )
            )
    return tuple(found)
