"""Ledgers that no longer agree with their plans: they are removed, and their features are published again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from affectstore.errors import StoreError
from affectstore.features.keys import FeatureInstance, clip_keys
from affectstore.paths import RESULTS
from affectstore.preflight.plan import write_request
from affectstore.store.index.catalog import Catalog
from affectstore.store.index.keys import restore_ledger
from affectstore.store.index.ledger import Ledger


@dataclass(frozen=True)
class FeatureState:
    """State of one feature of one corpus.

    Attributes:
        missing: Shard -> reason why its job has to run ("new", "options, version or upstream changed", ...).
        published: True if the catalog is that of these ledgers.
        clip_ids: Shard -> its clips, in the plan's order (shared by all features).
        keys: Shard -> keys of its clips, in that order.
        ledgers: Shard -> its ledger, where that is up to date.
    """

    missing: Mapping[str, str]
    published: bool
    clip_ids: Mapping[str, list[str]]
    keys: Mapping[str, list[str]]
    ledgers: Mapping[str, Ledger]

    @property
    def pending(self) -> bool:
        """True if the feature has to be published again."""
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


def find_stale_ledgers(
    corpus: str, plans: Mapping[str, pd.DataFrame], features: Mapping[str, FeatureInstance]
) -> dict[str, FeatureState]:
    """Compare the ledgers and catalogs of a corpus with its plans, and remove the ledgers that are out of date.

    A ledger is only a pointer: readers go by the catalog, and the data that it named are kept for reuse, so removing it
    is harmless even when nothing is run afterwards.

    Returns:
        Feature -> its state, upstream features first.
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
        states[name] = _feature_state(corpus, feature, clip_ids, keys)
    return states


def _feature_state(
    corpus: str, feature: FeatureInstance, clip_ids: Mapping[str, list[str]], keys: Mapping[str, list[str]]
) -> FeatureState:
    folder = RESULTS.feature(corpus, feature.name)
    missing: dict[str, str] = {}
    ledgers: dict[str, Ledger] = {}
    for shard, ids in clip_ids.items():
        expected = dict(zip(ids, keys[shard], strict=True))
        found = _current_ledger(folder, shard, feature.digest, expected)
        if isinstance(found, Ledger):
            ledgers[shard] = found
        else:
            missing[shard] = found
    for path in (folder / "shards").glob("*.json"):
        if path.stem.isdigit() and path.stem not in clip_ids:
            path.unlink()
    published = not missing and _is_published(folder, ledgers)
    write_request(
        RESULTS.commit_request(corpus, feature.name), {"feature_digest": feature.digest}, bool(missing) or not published
    )
    return FeatureState(missing, published, clip_ids, keys, ledgers)


def _current_ledger(folder: Path, shard: str, feature_digest: str, expected: Mapping[str, str]) -> Ledger | str:
    """Ledger of a shard that agrees with its plan, if need be restored from its copy; or the reason for its absence."""
    path = folder / "shards" / f"{shard}.json"
    reason = "new"
    if path.exists():
        try:
            ledger = Ledger.read(path)
        except StoreError as error:
            reason = f"its ledger cannot be read: {error}"
        else:
            difference = _difference(ledger, feature_digest, expected) or ledger.find_damage(folder)
            if difference is None:
                return ledger
            reason = difference
        path.unlink()
    return restore_ledger(folder, shard, feature_digest, expected) or reason


def _difference(ledger: Ledger, feature_digest: str, expected: Mapping[str, str]) -> str | None:
    if ledger.feature_digest != feature_digest:
        return "options, version, weights or upstream changed"
    held = {entry.clip_id: entry.key for entry in ledger.clips}
    if held == expected:
        return None
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
