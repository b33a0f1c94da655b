"""Scan a corpus: its manifest (the clips table) and the list of what is left out, each with a reason."""

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
from affectstore.preflight.hashes import describe_files

RESULTS = Path("results")
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
#: What would break a line of a plan: the text of a clip goes into one.
_BREAKS = r"[\x00-\x1f\x7f\x85\u2028\u2029]+"
_LEAVES_ROOT = r"^/|(?:^|/)\.\.(?:/|$)"


@dataclass(frozen=True)
class Manifest:
    """What a scan found.

    Attributes:
        corpus: name.
        clips: columns MANIFEST_COLUMNS, one row a usable clip, sorted by clip_id; what is not known is NA.
        skipped: every file or clip that is left out, with its reason.
        absent: how many listed clips have no media in this copy.
        summary: lines for a person.
    """

    corpus: str
    clips: pd.DataFrame
    skipped: tuple[SkippedClip, ...]
    absent: int
    summary: tuple[str, ...]


def manifest_path(corpus: str, results: Path = RESULTS) -> Path:
    """Where the manifest of a corpus lies."""
    return results / "manifests" / f"{corpus}.parquet"


def scan(
    corpus: str,
    root: Path,
    options: Mapping[str, Any],
    *,
    kind: str | None = None,
    results: Path = RESULTS,
    paranoid: bool = False,
    jobs: int | None = None,
) -> Manifest:
    """Find the clips of a corpus, read the media that are new or changed, and check all of it.

    Args:
        corpus: its name in config.yaml.
        root: its folder.
        options: its options.
        kind: name of a file in `affectstore/corpora/`; by default the corpus' own.
        results: folder below which digests are remembered (`manifests/{corpus}.media.parquet`).
        paranoid: read every media file again, whatever its size and time say.
        jobs: threads that read; by default one per core.

    Raises:
        CorpusError: the folder is missing or empty, no clip is usable, an id occurs twice, or a label
            is none of the card's.
    """
    module = CORPORA.load(kind or corpus)
    found: ScanResult = module.find(Path(root), dict(options))
    check_found(found.clips, module.CARD)
    clips, unfit = fit_names(found.clips)
    memory = results / "manifests" / f"{corpus}.media.parquet"
    clips, unusable = _add_media(clips, Path(root), memory, paranoid=paranoid, jobs=jobs)
    skipped = tuple(sorted((*found.skipped, *unfit, *unusable), key=lambda s: (s.clip_id, s.path, s.reason)))
    if clips.empty:
        reasons = "; ".join(f"{s.path or s.clip_id}: {s.reason}" for s in skipped[:3])
        raise CorpusError(f"corpus {corpus!r}: no usable clip in {root}; {len(skipped)} left out ({reasons})")
    return Manifest(corpus, clips, skipped, found.absent, _summary(clips, found, module.CARD))


def check_found(clips: pd.DataFrame, card: Card) -> None:
    """Check the table of a corpus module: columns, ids once, labels of the card.

    Raises:
        CorpusError: naming the first clip that is wrong.
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


def write_manifest(manifest: Manifest, results: Path = RESULTS) -> bool:
    """Write `manifests/{corpus}.parquet` and `.skipped.tsv`, each only where its content changed.

    Returns:
        Whether the manifest changed. The same content always gives the same bytes.
    """
    path = manifest_path(manifest.corpus, results)
    lines = ["clip_id\tpath\treason", *(f"{s.clip_id}\t{s.path}\t{s.reason}" for s in manifest.skipped)]
    write_if_changed(path.with_suffix(".skipped.tsv"), ("\n".join(lines) + "\n").encode())
    schema = pa.schema([(name, _ARROW[dtype]) for name, dtype in MANIFEST_COLUMNS.items()])
    table = pa.Table.from_pandas(manifest.clips, schema=schema, preserve_index=False).replace_schema_metadata(None)
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return write_if_changed(path, buffer.getvalue())


def read_manifest(path: Path) -> pd.DataFrame:
    """The clips table of a manifest, columns MANIFEST_COLUMNS in their types.

    Raises:
        CorpusError: there is no such file, or it is not a manifest.
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
    """The clips whose ids and paths can stand in tables and lie below the root; a reason for the others."""
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
    """Add SCAN_COLUMNS; take out the clips whose media cannot be used."""
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
            reason = "neither a sound nor a picture stream"
            if late.iloc[row]:
                reason = f"the clip begins at {clips['start_s'].iloc[row]:g} s, where the file has ended"
            skipped[clip_id, path] = SkippedClip(clip_id, path, reason)
    return clips[~bad].reset_index(drop=True), [*skipped.values(), *unreadable]


def _length_s(clips: pd.DataFrame, kind: str, file_s: pd.Series) -> pd.Series:
    """How long each clip's sound or picture is, given the length of its file."""
    whole = (clips["whole_media"] == kind).fillna(False).astype(bool)
    start = clips["start_s"].mask(whole, 0.0)
    end = clips["end_s"].mask(whole, float("nan")).fillna(file_s).clip(upper=file_s)
    return (end - start).clip(lower=0.0)


def _no_streams(_: Path) -> Probe:
    return Probe()


def _words(
    clips: pd.DataFrame, root: Path, memory: Path, *, paranoid: bool, jobs: int | None
) -> tuple[pd.Series, list[SkippedClip]]:
    """Digest of each clip's file of word times; one that cannot be read is left out, and its clip kept."""
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


def _summary(clips: pd.DataFrame, found: ScanResult, card: Card) -> tuple[str, ...]:
    speakers = clips["speaker"].nunique()
    seconds = clips["duration_s"].sum()
    length = f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} minutes"
    lines = [f"{len(clips)} clips of {speakers} speakers, {length}"]
    if found.absent:
        lines.append(f"{found.absent} listed clips have no media in this copy")
    lines += found.notes
    for stream, word in (("has_audio", "sound"), ("has_video", "picture")):
        without = int((~clips[stream]).sum())
        if without:
            lines.append(f"{without} clips without {word}")
    bad = int(clips["known_bad"].notna().sum())
    if bad:
        lines.append(f"{bad} clips are known to be bad: features are computed, protocols leave them out")
    return (*lines, *against_card(clips, expected_counts(clips, found, card) or {}))


def expected_counts(clips: pd.DataFrame, found: ScanResult, card: Card) -> Mapping[str, int] | None:
    """The numbers that this copy should have; None for a partial one.

    Args:
        clips: those of the clips found that are counted.
        found: what lies there.
        card: of the corpus.
    """
    counts = card.counts if found.expected is None else found.expected
    whole = len(clips) == counts.get("clips") if found.is_complete is None else found.is_complete
    return counts if whole else None


def against_card(clips: pd.DataFrame, counts: Mapping[str, int]) -> list[str]:
    """One line for each number of a complete corpus that is not the card's.

    Args:
        clips: the clips table.
        counts: as in `Card.counts`. A label is the intended one; of a corpus that knows none, the consensus on
            sound and picture.
    """
    label = clips["label_intended" if clips["label_intended"].notna().any() else "label_audiovisual"]
    columns = {"label": label, "level": clips["level"], "session": clips["session"]}
    lines = []
    for name, expected in counts.items():
        kind, _, value = name.partition(":")
        if value and kind in columns:
            counted = int((columns[kind] == value).sum())
        elif name in ("speakers", "sentences"):
            counted = clips[name[:-1]].nunique()
        elif name == "clips":
            counted = len(clips)
        elif name == "no_label":
            counted = int(label.isna().sum())
        else:
            continue
        if counted != expected:
            lines.append(f"the card expects {expected} of {name}, found {counted}")
    return lines
