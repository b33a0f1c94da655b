"""Judge what stands in the store: drop ledgers that no longer hold, say what has to be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affectstore.errors import StoreError
from affectstore.features.keys import Feature, clip_keys
from affectstore.preflight.plan import PLANS
from affectstore.preflight.request import write_request
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.keys import restore_ledger
from affectstore.store.index.ledger import Ledger

STORE = Path("results/store")


@dataclass(frozen=True)
class FeatureState:
    """Where one feature of one corpus stands.

    Attributes:
        missing: shard -> why its job has to run ("new", "options, version or upstream changed", ...).
        published: whether the catalog is the one of these ledgers.
        clip_ids: shard -> its clips, in the plan's order (shared by all features).
        keys: shard -> keys of its clips, in that order.
        ledgers: shard -> the ledger that holds.
    """

    missing: Mapping[str, str]
    published: bool
    clip_ids: Mapping[str, list[str]]
    keys: Mapping[str, list[str]]
    ledgers: Mapping[str, Ledger]

    @property
    def pending(self) -> bool:
        """Whether the feature has to be published again."""
        return bool(self.missing) or not self.published

    def key_of_clip(self) -> dict[str, str]:
        """Clip id -> its key."""
        return {
            clip_id: key
            for shard, clip_ids in self.clip_ids.items()
            for clip_id, key in zip(clip_ids, self.keys[shard], strict=True)
        }

    def content_of_clip(self) -> dict[str, str]:
        """Clip id -> status and digest of its values, of the shards that are extracted."""
        return {clip.clip_id: f"{clip.status} {clip.digest}" for held in self.ledgers.values() for clip in held.clips}


def judge_corpus(
    corpus: str, plans: Mapping[str, pd.DataFrame], features: Mapping[str, Feature]
) -> dict[str, FeatureState]:
    """Compare the ledgers and catalogs of a corpus with its plans; drop what no longer holds.

    A ledger is only a pointer: readers go by the catalog, and the data it named stays for reuse, so
    dropping it is harmless even when nothing is run afterwards.
    """
    states: dict[str, FeatureState] = {}
    clip_ids = {shard: plan["clip_id"].tolist() for shard, plan in plans.items()}
    for name, feature in features.items():
        keys = {
            shard: clip_keys(
                plan, feature, {need: states[source].keys[shard] for need, source in feature.upstream.items()}
            )
            for shard, plan in plans.items()
        }
        states[name] = _judge_feature(corpus, feature, clip_ids, keys)
    return states


def _judge_feature(
    corpus: str, feature: Feature, clip_ids: Mapping[str, list[str]], keys: Mapping[str, list[str]]
) -> FeatureState:
    folder = STORE / corpus / feature.name
    missing: dict[str, str] = {}
    ledgers: dict[str, Ledger] = {}
    for shard, ids in clip_ids.items():
        expected = dict(zip(ids, keys[shard], strict=True))
        ledger, reason = _judge_ledger(folder, shard, feature.digest, expected)
        if ledger is None:
            missing[shard] = reason
        else:
            ledgers[shard] = ledger
    for path in (folder / "shards").glob("*.json"):
        if path.stem.isdigit() and path.stem not in clip_ids:
            path.unlink()
    published = not missing and _is_published(folder, ledgers)
    write_request(
        PLANS / corpus / f"{feature.name}.json", {"feature_digest": feature.digest}, bool(missing) or not published
    )
    return FeatureState(missing, published, clip_ids, keys, ledgers)


def _judge_ledger(
    folder: Path, shard: str, feature_digest: str, expected: Mapping[str, str]
) -> tuple[Ledger | None, str]:
    path = folder / "shards" / f"{shard}.json"
    reason = "new"
    if path.exists():
        try:
            ledger = Ledger.read(path)
        except StoreError as error:
            reason = f"its ledger cannot be read: {error}"
        else:
            reason = _disagreement(ledger, feature_digest, expected) or ledger.find_damage(folder) or ""
            if not reason:
                return ledger, ""
        path.unlink()
    restored = restore_ledger(folder, shard, feature_digest, expected)
    return (restored, "") if restored is not None else (None, reason)


def _disagreement(ledger: Ledger, feature_digest: str, expected: Mapping[str, str]) -> str:
    if ledger.feature_digest != feature_digest:
        return "options, version, weights or upstream changed"
    held = {entry.clip_id: entry.key for entry in ledger.clips}
    if held == expected:
        return ""
    added, gone = expected.keys() - held.keys(), held.keys() - expected.keys()
    changed = sum(held[clip_id] != key for clip_id, key in expected.items() if clip_id in held)
    return f"clips: {len(added)} added, {len(gone)} gone, {changed} changed"


def _is_published(folder: Path, ledgers: Mapping[str, Ledger]) -> bool:
    try:
        catalog = Catalog.read(folder)
    except StoreError:
        return False
    if not (folder / "catalog.json").exists():
        return False  # a reader still finds the last snapshot, but the pointer itself is gone
    return catalog.names(ledgers)
