"""Contract of a protocol: one file of this folder assigns the clips to the subsets of each fold.

A protocol module declares

- `VERSION`, an int, bumped when the same clips are assigned differently;
- `SPEAKER_DISJOINT`, True if no speaker is in two subsets of a fold;
- `split(clips) -> DataFrame`: columns SPLIT_COLUMNS, one row per fold and clip of the clips table, built with
  `split_table`. It depends on the clips table alone, not on the order of its rows. It raises CorpusError if too few
  clips are usable.

Every clip is in every fold: a clip that is not used is in the subset `excluded`, with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from affectstore.digest import canonical_json
from affectstore.errors import CorpusError, IntegrityError, UnknownNameError
from affectstore.files import write_if_changed
from affectstore.registry import Registry

PROTOCOLS: Registry[Any] = Registry("protocol", ("affectstore.splits",), ("VERSION", "SPEAKER_DISJOINT", "split"))

#: Former name of a protocol -> its name today.
RENAMED: Mapping[str, str] = {"sound": "speaker_independent"}

#: Subsets that runs train on, choose by and are tested on.
SUBSETS = ("train", "val", "test")
#: All subsets of a fold; `unlabelled` clips may be trained on without labels.
SPLIT_SUBSETS = (*SUBSETS, "unlabelled", "excluded")
SPLIT_COLUMNS: Mapping[str, str] = {"fold": "int64", "clip_id": "string", "subset": "string", "reason": "string"}
_ARROW = {"int64": pa.int64(), "string": pa.string()}


def check_protocol(name: str) -> None:
    """Check that a protocol exists.

    Args:
        name: Name of a file of this folder.

    Raises:
        UnknownNameError: There is no such protocol; the message lists the known ones, or gives the name of today.
    """
    known = PROTOCOLS.names()
    if name not in known:
        raise UnknownNameError("protocol", name, known, renamed_to=RENAMED.get(name))


def split_table(folds: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join the folds, numbered from 0, in the order of fold and clip id.

    Args:
        folds: Tables with the columns clip_id, subset and reason ('' for a clip that is used).
    """
    table = pd.concat(
        [fold.sort_values("clip_id").assign(fold=number) for number, fold in enumerate(folds)], ignore_index=True
    )
    return table[list(SPLIT_COLUMNS)].astype(dict(SPLIT_COLUMNS))


def split_digest(split: pd.DataFrame) -> str:
    """Compute the sha256 of the rows of a split, in the order of fold and clip id."""
    sha256 = hashlib.sha256()
    for fold in sorted(split["fold"].unique()):
        rows = split.loc[split["fold"] == fold, ["clip_id", "subset", "reason"]].sort_values("clip_id")
        columns = [pa.array(rows[column], type=pa.string()) for column in rows]
        lines = pc.binary_join_element_wise(f"{fold}", *columns, "\t")
        sha256.update("".join(f"{line}\n" for line in lines.to_pylist()).encode())
    return sha256.hexdigest()


def check_split(split: pd.DataFrame, clips: pd.DataFrame, *, speaker_disjoint: bool) -> None:
    """Check that a split has every clip of the table once per fold, and separates speakers.

    Args:
        split: Columns SPLIT_COLUMNS.
        clips: Clips table that was split.
        speaker_disjoint: No speaker may be in two subsets of a fold.

    Raises:
        IntegrityError: The split is wrong; the message names the fold and the clip or speaker.
    """
    unknown = sorted(set(split["subset"]) - set(SPLIT_SUBSETS))
    if unknown:
        raise IntegrityError(f"unknown subset {unknown[0]!r}; known: {', '.join(SPLIT_SUBSETS)}")
    unexplained = split[(split["subset"] == "excluded") & (split["reason"] == "")]
    if len(unexplained):
        raise IntegrityError(f"clip {unexplained['clip_id'].iloc[0]} is excluded without a reason")
    ids = set(clips["clip_id"])
    speakers = clips.set_index("clip_id")["speaker"]
    for fold, rows in split.groupby("fold"):
        if len(rows) != len(ids) or set(rows["clip_id"]) != ids:
            odd = sorted(ids.symmetric_difference(rows["clip_id"])) or ["one twice"]
            raise IntegrityError(f"fold {fold} has {len(rows)} rows for {len(ids)} clips: {odd[0]}")
        subsets = rows["subset"].replace("unlabelled", "train")
        for subset in ("train", "val", "test"):
            if not (rows["subset"] == subset).any():
                raise IntegrityError(f"fold {fold} has no clip in the subset {subset!r}")
        if speaker_disjoint:
            pairs = pd.DataFrame({"speaker": speakers.loc[rows["clip_id"]].to_numpy(), "subset": subsets.to_numpy()})
            pairs = pairs[pairs["subset"] != "excluded"].drop_duplicates()
            twice = pairs[pairs["speaker"].duplicated()]
            if len(twice):
                raise IntegrityError(f"fold {fold} has speaker {twice['speaker'].iloc[0]} in more than one subset")


def exclusions(clips: pd.DataFrame, *, speakers: bool = True) -> pd.Series:
    """Reason why each clip is excluded from all folds; '' for clips that are used.

    Excluded are clips known to be bad, clips without a speaker, and clips with the media of another clip under another
    label or speaker, since one of the two labels is wrong. Repeated media are listed on the corpus' card or found by
    their digests; of the latter the first by clip id is kept.

    Args:
        clips: Clips table.
        speakers: Exclude clips without a speaker.
    """
    ids = clips["clip_id"].astype("string")
    label, speaker = clips["label_intended"].fillna(""), clips["speaker"].fillna("")
    reason = pd.Series("", index=clips.index, dtype="string")
    if speakers:
        reason = reason.mask(speaker == "", "the speaker is not known")
    same = pd.Series(label.to_numpy() + "\t" + speaker.to_numpy(), index=ids)
    original = clips["duplicate_of"]
    repeats = original.notna() & (same.reindex(original.fillna("")).to_numpy() != same.to_numpy())
    reason = reason.mask(repeats, "repeats the media of " + original.fillna("") + " under another label")
    for kind in ("audio", "video"):
        first = _first_with_media(clips, kind)
        repeats = first.notna() & (same.reindex(first.fillna("")).to_numpy() != same.to_numpy())
        word = f"has the {kind} of "
        reason = reason.mask(repeats & (reason == ""), word + first.fillna("") + " under another label")
    return reason.mask(clips["known_bad"].notna(), "known bad: " + clips["known_bad"].fillna(""))


def _first_with_media(clips: pd.DataFrame, kind: str) -> pd.Series:
    """Return the first clip, by id, with the same file content and segment; NA for that clip and for unique ones."""
    key = [f"{kind}_sha256", "start_s", "end_s"]
    whole = (clips["whole_media"] == kind).fillna(False).astype(bool)
    clips = clips.assign(start_s=clips["start_s"].mask(whole), end_s=clips["end_s"].mask(whole))
    rows = clips.loc[clips[f"{kind}_sha256"].notna() & clips[f"has_{kind}"].astype(bool), ["clip_id", *key]]
    rows = rows[rows.duplicated(key, keep=False)].sort_values("clip_id")
    first = rows.groupby(key, dropna=False)["clip_id"].transform("first")
    return first.mask(first == rows["clip_id"]).reindex(clips.index).astype("string")


def unlabelled(clips: pd.DataFrame) -> np.ndarray:
    """Test which clips have no label of any target, bool (clip,)."""
    return clips.filter(regex="^label_").isna().all(axis=1).to_numpy()


def write_split(
    split: pd.DataFrame, corpus: str, protocol: str, clips: pd.DataFrame, folders: Sequence[Path]
) -> dict[str, Any]:
    """Check a split and write it as `{protocol}.parquet` with its digest and counts as `{protocol}.json`.

    Args:
        split: Result of the protocol.
        corpus, protocol: Their names.
        clips: Clips table that was split.
        folders: Folders to write to; the same split gives the same bytes, and unchanged files are not rewritten.

    Returns:
        Content of the JSON file.

    Raises:
        IntegrityError: The split is wrong.
    """
    module = PROTOCOLS.load(protocol)
    check_split(split, clips, speaker_disjoint=module.SPEAKER_DISJOINT)
    record: dict[str, Any] = {
        "corpus": corpus,
        "protocol": protocol,
        "version": module.VERSION,
        "speaker_disjoint": module.SPEAKER_DISJOINT,
        "digest": split_digest(split),
        "folds": {
            str(fold): {subset: int((rows["subset"] == subset).sum()) for subset in SPLIT_SUBSETS}
            for fold, rows in split.groupby("fold")
        },
    }
    schema = pa.schema([(name, _ARROW[dtype]) for name, dtype in SPLIT_COLUMNS.items()])
    buffer = BytesIO()
    table = pa.Table.from_pandas(split, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, buffer, compression="zstd")
    for folder in folders:
        write_if_changed(folder / f"{protocol}.parquet", buffer.getvalue())
        write_if_changed(folder / f"{protocol}.json", (canonical_json(record) + "\n").encode())
    return record


def check_count(count: int, minimum: int, what: str, protocol: str) -> None:
    """Check that a corpus is large enough for a protocol.

    Args:
        count: Number of usable clips or speakers.
        minimum: Minimum of this number.
        what: "clips" or "speakers".
        protocol: Name of the protocol, for the message.

    Raises:
        CorpusError: The number is too small.
    """
    if count < minimum:
        raise CorpusError(
            f"protocol {protocol!r} needs at least {minimum} {what}, so that training, validation and test subset "
            f"each have one; the clips have {count}"
        )
