"""Scan of a corpus: its manifest (the clips table), and the clips and files that are left out, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from affectstore.corpora.base import CLIP_COLUMNS, CORPORA, Card, ScanResult, SkippedClip
from affectstore.errors import CorpusError
from affectstore.files import write_if_changed
from affectstore.media.probe import Probe
from affectstore.paths import RESULTS, Results
from affectstore.preflight.hashes import describe_files
from affectstore.preflight.scan_summary import summarise_scan

#: Columns that the scan adds to those of the corpus.
SCAN_COLUMNS: Mapping[str, str] = {
    "audio_sha256": "string",
    "video_sha256": "string",
    "words_sha256": "string",
    "has_audio": "bool",
    "has_video": "bool",
    "has_text": "bool",
    "duration_s": "float64",
}
MANIFEST_COLUMNS: Mapping[str, str] = {**CLIP_COLUMNS, **SCAN_COLUMNS}
_ARROW = {"string": pa.string(), "float64": pa.float64(), "bool": pa.bool_()}
_LABELS = tuple(column for column in CLIP_COLUMNS if column.startswith("label_"))
#: Characters that break a line of a table, or a path.
_UNFIT_ID = r"[\x00-\x1f\x7f/\\]"
_UNFIT_PATH = r"[\x00-\x1f\x7f]"
#: Characters that would break a line of a plan, which holds the text of a clip.
_BREAKS = r"[\x00-\x1f\x7f\x85\u2028\u2029]+"
_LEAVES_ROOT = r"^/|(?:^|/)\.\.(?:/|$)"


@dataclass(frozen=True)
class Manifest:
    """Result of a scan.

    Attributes:
        corpus: Name of the corpus.
        clips: Columns MANIFEST_COLUMNS, one row per usable clip, sorted by clip_id; NA where a value is not known.
        skipped: Every file or clip that is left out, with its reason.
        absent: Number of listed clips without media in this copy.
        summary: Lines for a person.
    """

    corpus: str
    clips: pd.DataFrame
    skipped: tuple[SkippedClip, ...]
    absent: int
    summary: tuple[str, ...]


def scan(
    corpus: str,
    root: Path,
    options: Mapping[str, Any],
    *,
    kind: str | None = None,
    results: Results = RESULTS,
    paranoid: bool = False,
    jobs: int | None = None,
) -> Manifest:
    """Find the clips of a corpus, read the media that are new or changed, and check everything.

    Args:
        corpus: Name of the corpus in config.yaml.
        root: Its folder.
        options: Its options.
        kind: Name of a file in `affectstore/corpora/`; by default that of the corpus.
        results: Results folder, in which digests are remembered.
        paranoid: Read every media file again, even if its size and time are unchanged.
        jobs: Number of threads that read; by default one per core.

    Raises:
        CorpusError: The folder is missing or empty, no clip is usable, an id occurs twice, or a label is not on the
            card.
    """
    module = CORPORA.load(kind or corpus)
    found: ScanResult = module.find(Path(root), dict(options))
    check_found(found.clips, module.CARD)
    clips, unfit = fit_names(found.clips)
    clips, unusable = _add_media(clips, Path(root), results.media(corpus), paranoid=paranoid, jobs=jobs)
    skipped = tuple(sorted((*found.skipped, *unfit, *unusable), key=lambda s: (s.clip_id, s.path, s.reason)))
    if clips.empty:
        reasons = "; ".join(f"{s.path or s.clip_id}: {s.reason}" for s in skipped[:3])
        raise CorpusError(f"corpus {corpus!r}: no usable clip in {root}; {len(skipped)} left out ({reasons})")
    return Manifest(corpus, clips, skipped, found.absent, summarise_scan(clips, found, module.CARD))


def check_found(clips: pd.DataFrame, card: Card) -> None:
    """Check the table of a corpus module: columns, ids once, labels of the card.

    Raises:
        CorpusError: The table is wrong; the message names the first such clip.
    """
    if {name: str(dtype) for name, dtype in clips.dtypes.items()} != dict(CLIP_COLUMNS):
        raise CorpusError(f"corpus {card.name!r}: its clips table has other columns or types than CLIP_COLUMNS")
    if clips["clip_id"].isna().any():
        raise CorpusError(f"corpus {card.name!r}: a clip without an id")
    twice = clips["clip_id"][clips["clip_id"].duplicated()]
    if len(twice):
        raise CorpusError(f"corpus {card.name!r}: the clip id {twice.iloc[0]!r} occurs more than once")
    for column in _LABELS:
        unknown = clips[column].notna() & ~clips[column].isin(card.labels)
        if card.labels and unknown.any():
            clip = clips[unknown].iloc[0]
            raise CorpusError(
                f"corpus {card.name!r}: clip {clip['clip_id']} has {column} {clip[column]!r}; "
                f"known: {', '.join(card.labels)}"
            )


def write_manifest(manifest: Manifest, results: Results = RESULTS) -> bool:
    """Write `manifests/{corpus}.parquet` and `.skipped.tsv`, each only if its content changed.

    Returns:
        True if the manifest changed. The same content always results in the same bytes.
    """
    path = results.manifest(manifest.corpus)
    lines = ["clip_id\tpath\treason", *(f"{s.clip_id}\t{s.path}\t{s.reason}" for s in manifest.skipped)]
    write_if_changed(results.skipped(manifest.corpus), ("\n".join(lines) + "\n").encode())
    schema = pa.schema([(name, _ARROW[dtype]) for name, dtype in MANIFEST_COLUMNS.items()])
    table = pa.Table.from_pandas(manifest.clips, schema=schema, preserve_index=False).replace_schema_metadata(None)
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return write_if_changed(path, buffer.getvalue())


def read_manifest(path: Path) -> pd.DataFrame:
    """Clips table of a manifest, columns MANIFEST_COLUMNS in their types.

    Raises:
        CorpusError: There is no such file, or it is not a manifest.
    """
    try:
        table = pq.read_table(path)
    except FileNotFoundError:
        raise CorpusError(f"no manifest {path}; `affectstore scan {path.stem}` makes it") from None
    except pa.ArrowInvalid as error:
        raise CorpusError(f"{path} is not a manifest: {error}; remove it and scan again") from None
    missing = [name for name in MANIFEST_COLUMNS if name not in table.column_names]
    if missing:
        raise CorpusError(f"{path} lacks the columns {', '.join(missing)}; remove it and scan again")
    return table.select(list(MANIFEST_COLUMNS)).to_pandas().astype(dict(MANIFEST_COLUMNS))


def fit_names(clips: pd.DataFrame) -> tuple[pd.DataFrame, list[SkippedClip]]:
    """Clips whose ids and paths fit into tables and lie below the root; a reason for each of the others."""
    reason = pd.Series("", index=clips.index, dtype="string")
    reason[clips["clip_id"].str.contains(_UNFIT_ID)] = "the clip id holds a slash or control characters"
    for column in ("audio_path", "video_path", "words_path"):
        reason[clips[column].str.contains(_UNFIT_PATH).fillna(False)] = "the path holds control characters"
        reason[clips[column].str.contains(_LEAVES_ROOT).fillna(False)] = "the path leaves the corpus folder"
    unfit = reason != ""
    paths = clips["video_path"].fillna(clips["audio_path"]).fillna("")
    skipped = [
        SkippedClip(_escaped(clip_id), _escaped(path), text)
        for clip_id, path, text in zip(clips["clip_id"][unfit], paths[unfit], reason[unfit], strict=True)
    ]
    clips = clips.assign(text=clips["text"].str.replace(_BREAKS, " ", regex=True).str.strip())
    return clips[~unfit].reset_index(drop=True), skipped


def _escaped(text: str) -> str:
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _add_media(
    clips: pd.DataFrame, root: Path, memory: Path, *, paranoid: bool, jobs: int | None
) -> tuple[pd.DataFrame, list[SkippedClip]]:
    """Add SCAN_COLUMNS, and remove the clips whose media cannot be used."""
    paths = pd.concat([clips["audio_path"], clips["video_path"]]).dropna().unique()
    files = describe_files(root, sorted(paths), memory, paranoid=paranoid, jobs=jobs)
    index = pd.Index(files["path"])
    missing = pd.DataFrame({name: [default] for name, default in _NO_FILE.items()})
    files = pd.concat([files[list(_NO_FILE)], missing.astype(files[list(_NO_FILE)].dtypes)], ignore_index=True)
    media = {}
    for kind in ("audio", "video"):
        row = index.get_indexer(clips[f"{kind}_path"])  # -1, where there is no file, is the row appended last
        media[kind] = files.take(row).reset_index(drop=True)
    audio, video = media["audio"], media["video"]
    clips = clips.assign(start_s=clips["start_s"].fillna(0.0))
    words, unreadable = _words(clips, root, memory, paranoid=paranoid, jobs=jobs)
    lengths = [_length_s(clips, "audio", audio["audio_s"]), _length_s(clips, "video", video["video_s"])]
    clips = clips.assign(
        audio_sha256=audio["sha256"],
        video_sha256=video["sha256"],
        words_sha256=words,
        has_audio=audio["has_audio"],
        has_video=video["has_video"],
        has_text=clips["text"].notna() | words.notna(),
        duration_s=pd.concat(lengths, axis=1).max(axis=1),
    )
    problem = {kind: media[kind]["problem"] for kind in media}
    neither = ~(clips["has_audio"] | clips["has_video"])
    skipped: dict[tuple[str, str], SkippedClip] = {}
    late = ~neither & (clips["start_s"] > 0) & (clips["duration_s"] <= 0)
    bad = neither | late | (problem["audio"] != "") | (problem["video"] != "")
    for row in np.flatnonzero(bad):
        clip_id = clips["clip_id"].iloc[row]
        named = [(clips[f"{kind}_path"].iloc[row], problem[kind].iloc[row]) for kind in media]
        for path, reason in named:
            if reason:
                skipped[clip_id, path] = SkippedClip(clip_id, path, reason)
        if not any(reason for _, reason in named):
            path = next((path for path, _ in named if not pd.isna(path)), "")
            reason = "neither an audio nor a video stream"
            if late.iloc[row]:
                reason = f"the clip begins at {clips['start_s'].iloc[row]:g} s, where the file has ended"
            skipped[clip_id, path] = SkippedClip(clip_id, path, reason)
    return clips[~bad].reset_index(drop=True), [*skipped.values(), *unreadable]


def _length_s(clips: pd.DataFrame, kind: str, file_s: pd.Series) -> pd.Series:
    """Duration of each clip's audio or video in seconds, given that of its file."""
    whole = (clips["whole_media"] == kind).fillna(False).astype(bool)
    start = clips["start_s"].mask(whole, 0.0)
    end = clips["end_s"].mask(whole, float("nan")).fillna(file_s).clip(upper=file_s)
    return (end - start).clip(lower=0.0)


def _no_streams(_: Path) -> Probe:
    return Probe()


def _words(
    clips: pd.DataFrame, root: Path, memory: Path, *, paranoid: bool, jobs: int | None
) -> tuple[pd.Series, list[SkippedClip]]:
    """Digest of each clip's file of word times; a file that cannot be read is left out, and its clip kept."""
    paths = clips["words_path"].dropna().unique()
    if not len(paths):
        return pd.Series(pd.NA, index=clips.index, dtype="string"), []
    memory = memory.with_name(memory.name.replace(".media.", ".words."))
    files = describe_files(root, sorted(paths), memory, paranoid=paranoid, jobs=jobs, look=_no_streams)
    described = files.set_index("path").reindex(clips["words_path"]).reset_index(drop=True)
    unreadable = [
        SkippedClip(clip_id, path, f"the clip is kept, its word times are not: {problem}")
        for clip_id, path, sha256, problem in zip(
            clips["clip_id"], clips["words_path"], described["sha256"], described["problem"], strict=True
        )
        if not pd.isna(path) and pd.isna(sha256)
    ]
    return described["sha256"].set_axis(clips.index), unreadable


_NO_FILE: Mapping[str, Any] = {
    "sha256": None,
    "has_audio": False,
    "has_video": False,
    "audio_s": 0.0,
    "video_s": 0.0,
    "problem": "",
}
