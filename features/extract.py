"""The extraction job of the DAG: one feature of one shard, computing only clips with new keys."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.errors import ClipError, IntegrityError, NotApplicable, StaleError
from affectstore.features.base import Clip, Media, Source
from affectstore.features.keys import FeatureInstance, clip_keys
from affectstore.features.plan import read_plan
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.index.keys import find_keys
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec, Codec
from affectstore.store.writer import ShardWriter


@dataclass(frozen=True)
class Counts:
    """Statistics of a job; written beside the ledger, never into it.

    Attributes:
        computed: Number of clips that were computed, failed ones included.
        reused: Number of clips that were copied from the store.
        failed: Number of clips that cannot be computed.
        not_applicable: Number of clips for which the feature has no meaning.
        seconds: Duration of the job.
        clip_s: Median time of a computed clip, reading and writing included; None where none was computed.
        host: Name of the machine.
    """

    computed: int
    reused: int
    failed: int
    not_applicable: int
    seconds: float
    clip_s: float | None
    host: str


def extract_shard(
    features: Mapping[str, FeatureInstance],
    name: str,
    shard: str,
    *,
    corpus_dir: Path,
    plan_path: Path,
    root: Path,
    codec: Codec | None,
) -> Counts:
    """Write the shard of a feature: reuse every clip whose key is stored, compute the others.

    Args:
        features: All feature instances.
        name: Instance to compute.
        shard: Name of the shard.
        corpus_dir: Folder of the corpus in the store.
        plan_path: Plan of the shard.
        root: Media folder of the corpus.
        codec: Codec of `values`; None for the extractor's own.

    Raises:
        StaleError: An upstream ledger was written under other settings or for other clips.
    """
    began = time.monotonic()
    feature, plan = features[name], read_plan(plan_path)
    keys = _keys_with_upstream(plan, features, name)
    feature_dir = corpus_dir / name
    key_of = dict(zip(plan["clip_id"], keys[name], strict=True))
    stored = find_keys(feature_dir, set(key_of.values()), shard)
    readers: dict[Path, ShardReader] = {}
    upstream = _Upstream(features, feature, corpus_dir, shard, plan["clip_id"].tolist(), keys)
    times_s: list[float] = []
    arrays = storage(feature, codec)
    with ShardWriter(feature_dir, shard, feature.digest, arrays, provenance(feature), feature.container) as writer:
        clips: Iterable[Any] = plan.itertuples()
        for row in clips:
            key = key_of[row.clip_id]
            if key in stored and _reuse(writer, readers, *stored[key], row.clip_id, key):
                continue
            clip_began = time.monotonic()
            try:
                clip = _clip(row, root, upstream.of(row.clip_id), feature.spec.columns)
                writer.append(row.clip_id, key, feature.extractor.extract(clip))
            except NotApplicable as error:
                writer.fail(row.clip_id, key, "not_applicable", str(error))
            except ClipError as error:
                writer.fail(row.clip_id, key, "failed", str(error))
            times_s.append(time.monotonic() - clip_began)
        ledger = writer.finish()
    status = [entry.status for entry in ledger.clips]
    return Counts(
        computed=len(times_s),
        reused=len(plan) - len(times_s),
        failed=status.count("failed"),
        not_applicable=status.count("not_applicable"),
        seconds=round(time.monotonic() - began, 3),
        clip_s=round(statistics.median(times_s), 5) if times_s else None,
        host=platform.node(),
    )


def _keys_with_upstream(plan: pd.DataFrame, features: Mapping[str, FeatureInstance], name: str) -> dict[str, list[str]]:
    """Compute clip keys of a feature and of all features upstream of it, in the plan's order."""
    keys: dict[str, list[str]] = {}

    def visit(current: str) -> None:
        if current in keys:
            return
        feature = features[current]
        for source in feature.upstream.values():
            visit(source)
        keys[current] = clip_keys(plan, feature, {need: keys[source] for need, source in feature.upstream.items()})

    visit(name)
    return keys


def storage(feature: FeatureInstance, codec: Codec | None) -> tuple[ArraySpec, ...]:
    """Declare the arrays of a feature with the codec from config.yaml."""
    arrays = feature.extractor.arrays()
    return arrays if codec is None else (replace(arrays[0], codec=codec), *arrays[1:])


def provenance(feature: FeatureInstance) -> dict[str, Any]:
    """Collect the attributes of a shard: all that its values follow from, and the libraries that computed them."""
    return {
        "feature": feature.name,
        "extractor": feature.spec.name,
        "extractor_version": feature.spec.version,
        "summary": feature.spec.summary,
        "modality": feature.spec.modality,
        "options": feature.extractor.options.model_dump(mode="json"),
        "weights": feature.extractor.weights_digest(),
        "random_weights": list(feature.random_weights),
        "upstream": dict(feature.upstream),
        "libraries": {name: version(name) for name in ("numpy", *feature.spec.libraries)},
        "notes": dict(feature.extractor.attributes()),
    }


def _reuse(
    writer: ShardWriter, readers: dict[Path, ShardReader], folder: Path, source_id: str, clip_id: str, key: str
) -> bool:
    """Copy a stored clip; return False if its bytes no longer match their digest, so that it is computed again."""
    if folder not in readers:
        readers[folder] = ShardReader(folder)
    try:
        writer.copy(readers[folder], source_id, clip_id, key)
    except IntegrityError as error:
        print(f"computing {clip_id} again: {error}", flush=True)
        return False
    return True


def _clip(row: Any, root: Path, upstream: Mapping[str, ClipArrays], columns: tuple[str, ...]) -> Clip:
    """Build the clip of a plan's row; of the columns outside of media only `columns`, which its key covers."""

    def path(relative: str) -> Path | None:
        if not relative:
            return None
        full = root / relative
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise IntegrityError(f"clip {row.clip_id}: path {relative!r} leaves the corpus folder {root}")
        return full

    def source(kind: str) -> Source | None:
        file = path(getattr(row, f"{kind}_path"))
        start, end = getattr(row, f"{kind}_start_s"), getattr(row, f"{kind}_end_s")
        return Source(file, Fraction(start or 0), Fraction(end) if end else None) if file else None

    media = Media(source("audio"), source("video"), path(row.words_path))
    return Clip(row.clip_id, media, upstream, **{name: getattr(row, name) or None for name in columns})


class _Upstream:
    """Arrays of upstream features, from the shard of the same name."""

    def __init__(
        self,
        features: Mapping[str, FeatureInstance],
        feature: FeatureInstance,
        corpus_dir: Path,
        shard: str,
        clip_ids: list[str],
        keys: Mapping[str, list[str]],
    ):
        self._readers: dict[str, ShardReader] = {}
        self._entries: dict[str, dict[str, Any]] = {}
        for need, source in feature.upstream.items():
            ledger = Ledger.read(corpus_dir / source / "shards" / f"{shard}.json")
            entries = {entry.clip_id: entry for entry in ledger.clips}
            expected = dict(zip(clip_ids, keys[source], strict=True))
            if {clip_id: entry.key for clip_id, entry in entries.items()} != expected:
                raise StaleError(
                    f"{feature.name}, shard {shard}: {source} holds other clips or settings than planned "
                    f"(feature digest {ledger.feature_digest[:12]}, planned {features[source].digest[:12]}); "
                    f"build {source} first"
                )
            self._readers[need] = ShardReader(corpus_dir / source / ledger.data)
            self._entries[need] = entries

    def of(self, clip_id: str) -> dict[str, ClipArrays]:
        """Read the upstream arrays of a clip, by need.

        Raises:
            ClipError: An upstream feature could not be computed for this clip.
            NotApplicable: An upstream feature has no meaning for this clip.
        """
        for need, entries in self._entries.items():
            entry = entries[clip_id]
            if entry.status != "ok":
                kind = NotApplicable if entry.status == "not_applicable" else ClipError
                raise kind(f"no {need}: {entry.reason}")
        return {need: reader.arrays(clip_id) for need, reader in self._readers.items()}
