"""The job of the DAG: one feature of one shard, computing only the clips whose key is new."""

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
from affectstore.features.keys import Feature, clip_keys
from affectstore.features.plan import read_plan
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.index.keys import find_keys
from affectstore.store.index.ledger import Ledger
from affectstore.store.shard import ShardReader
from affectstore.store.spec import ArraySpec, Codec
from affectstore.store.writer import ShardWriter


@dataclass(frozen=True)
class Counts:
    """What a job did, clip by clip; written beside the ledger, never into it.

    Attributes:
        computed, reused, failed, not_applicable: clips.
        seconds: of the whole job.
        clip_s: median time of a computed clip, reading and writing included; None where none was computed.
        host: machine.
    """

    computed: int
    reused: int
    failed: int
    not_applicable: int
    seconds: float
    clip_s: float | None
    host: str


def extract_shard(
    features: Mapping[str, Feature],
    name: str,
    shard: str,
    *,
    corpus_dir: Path,
    plan_path: Path,
    root: Path,
    codec: Codec | None,
) -> Counts:
    """Write the shard of a feature: reuse every clip whose key is stored, compute the rest.

    Args:
        features: all feature instances.
        name: the instance to compute.
        shard: the shard's name.
        corpus_dir: the corpus' folder in the store.
        plan_path: the shard's plan.
        root: the corpus' media folder.
        codec: codec of `values`, or None for the extractor's own.

    Raises:
        StaleError: an upstream ledger was made under other settings or for other clips.
    """
    began = time.monotonic()
    feature = features[name]
    plan = read_plan(plan_path)
    keys = chained_keys(plan, features, name)
    feature_dir = corpus_dir / name
    own = dict(zip(plan["clip_id"], keys[name], strict=True))
    stored = find_keys(feature_dir, set(own.values()), shard)
    sources: dict[Path, ShardReader] = {}
    upstream = _Upstream(features, feature, corpus_dir, shard, plan["clip_id"].tolist(), keys)
    computed = reused = 0
    times_s: list[float] = []
    arrays = storage(feature, codec)
    with ShardWriter(feature_dir, shard, feature.digest, arrays, provenance(feature), feature.container) as writer:
        clips: Iterable[Any] = plan.itertuples()
        for row in clips:
            key = own[row.clip_id]
            if key in stored and _reuse(writer, sources, *stored[key], row.clip_id, key):
                reused += 1
                continue
            computed += 1
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
        computed=computed,
        reused=reused,
        failed=status.count("failed"),
        not_applicable=status.count("not_applicable"),
        seconds=round(time.monotonic() - began, 3),
        clip_s=round(statistics.median(times_s), 5) if times_s else None,
        host=platform.node(),
    )


def chained_keys(plan: pd.DataFrame, features: Mapping[str, Feature], name: str) -> dict[str, list[str]]:
    """Clip keys of a feature and of all that it is computed from, in the plan's order."""
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


def storage(feature: Feature, codec: Codec | None) -> tuple[ArraySpec, ...]:
    """The arrays of a feature with the codec that config.yaml asks for."""
    arrays = feature.extractor.arrays()
    return arrays if codec is None else (replace(arrays[0], codec=codec), *arrays[1:])


def provenance(feature: Feature) -> dict[str, Any]:
    """Attributes of a shard: what its values follow from, and the libraries that computed them."""
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
    writer: ShardWriter, sources: dict[Path, ShardReader], folder: Path, source_id: str, clip_id: str, key: str
) -> bool:
    """Copy a stored clip; False where its bytes do not fit their digest any more and it must be computed again."""
    if folder not in sources:
        sources[folder] = ShardReader(folder)
    try:
        writer.copy(sources[folder], source_id, clip_id, key)
    except IntegrityError as error:
        print(f"computing {clip_id} again: {error}", flush=True)
        return False
    return True


def _clip(row: Any, root: Path, upstream: Mapping[str, ClipArrays], columns: tuple[str, ...]) -> Clip:
    """The clip of a plan's row; of the columns outside of media only `columns`, which its key covers."""

    def path(relative: str) -> Path | None:
        if not relative:
            return None
        full = root / relative
        if ".." in Path(relative).parts or Path(relative).is_absolute():
            raise IntegrityError(f"clip {row.clip_id}: path {relative!r} leaves the corpus folder {root}")
        return full

    def source(kind: str) -> Source | None:
        file, start, end = (
            path(getattr(row, f"{kind}_path")),
            *(getattr(row, f"{kind}_{of}_s") for of in ("start", "end")),
        )
        if file is None:
            return None
        return Source(file, Fraction(start) if start else Fraction(0), Fraction(end) if end else None)

    media = Media(source("audio"), source("video"), path(row.words_path))
    return Clip(row.clip_id, media, upstream, **{name: getattr(row, name) or None for name in columns})


class _Upstream:
    """The arrays a clip's extractor reads, from the shard of the same name in each upstream feature."""

    def __init__(
        self,
        features: Mapping[str, Feature],
        feature: Feature,
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
        """Arrays by need.

        Raises:
            ClipError, NotApplicable: an upstream feature has none for this clip.
        """
        for need, entries in self._entries.items():
            entry = entries[clip_id]
            if entry.status != "ok":
                kind = NotApplicable if entry.status == "not_applicable" else ClipError
                raise kind(f"no {need}: {entry.reason}")
        return {need: reader.arrays(clip_id) for need, reader in self._readers.items()}
