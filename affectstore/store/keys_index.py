"""Finding what was computed before, by key, in any generation of any shard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.folders import LocalFolder
from affectstore.store.integrity import whole
from affectstore.store.layout import data_folders
from affectstore.store.shard import read_ledger_copy


def find_keys(feature_dir: Path, keys: set[str], shard: str) -> dict[str, tuple[Path, str]]:
    """Where clips of these keys are stored.

    A key says all that a clip's arrays follow from, so whatever is stored under it is valid: also under
    another clip id (renamed), in another shard (their number changed) or in a generation that no ledger
    names any more (an option was set back). The shard's own generations are searched first, then all
    others until every key is found. Folders that are not whole are passed over.

    Returns:
        By key, the data folder and the clip id there. Failed clips are found too; `ShardWriter.copy`
        takes over their reason.
    """
    found: dict[str, tuple[Path, str]] = {}
    wanted = set(keys)
    for folder in _folders(feature_dir, shard):
        if not wanted:
            break
        try:
            ledger = read_ledger_copy(LocalFolder(folder))
        except StoreError:
            continue
        hits = {clip.key: (folder, clip.clip_id) for clip in ledger.clips if clip.key in wanted}
        if hits and ledger.data == folder.relative_to(feature_dir).as_posix() and not whole(feature_dir, ledger):
            found.update(hits)
            wanted -= hits.keys()
    return found


def _folders(feature_dir: Path, shard: str) -> Iterator[Path]:
    own = list(data_folders(feature_dir, shard))
    yield from own
    yield from (folder for folder in data_folders(feature_dir) if folder not in own)
