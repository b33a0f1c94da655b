"""Earlier results on disk: clips by key, in any generation of any shard, and ledgers by the keys of their clips."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.folders import LocalFolder
from affectstore.store.index.ledger import Ledger
from affectstore.store.paths import LEDGER, data_folders, ledger_path


def find_keys(feature_dir: Path, keys: set[str], shard: str) -> dict[str, tuple[Path, str]]:
    """Find stored clips by key.

    A key covers all that a clip's arrays follow from, so whatever is stored under it is valid: also under another clip
    id (renamed), in another shard (their number changed) or in a generation that no ledger names any more (an option
    was set back). The shard's own generations are searched first, then all others until every key is found. Damaged
    folders are passed over.

    Returns:
        By key, the data folder and the clip id there. Failed clips are found too; `ShardWriter.copy` copies their
        reason.
    """
    found: dict[str, tuple[Path, str]] = {}
    wanted = set(keys)
    own = list(data_folders(feature_dir, shard))
    folders = chain(own, (folder for folder in data_folders(feature_dir) if folder not in own))
    sound = _sound(feature_dir, folders, lambda ledger: any(clip.key in wanted for clip in ledger.clips))
    while wanted and (stored := next(sound, None)):  # lazily: the shard's own generations mostly hold everything
        folder, ledger = stored
        found |= {clip.key: (folder, clip.clip_id) for clip in ledger.clips if clip.key in wanted}
        wanted -= found.keys()
    return found


def restore_ledger(feature_dir: Path, shard: str, feature_digest: str, keys: Mapping[str, str]) -> Ledger | None:
    """Put a missing ledger back from the copy in a data folder.

    Args:
        shard: Shard whose ledger is missing.
        feature_digest: Digest of the feature's definition.
        keys: Key of each clip that the shard has to hold, by clip id.

    Returns:
        The ledger, written to its place with the time of its copy, so that nothing downstream looks older than it;
        None if no data folder of the shard holds exactly these clips.
    """

    def is_wanted(ledger: Ledger) -> bool:
        return ledger.feature_digest == feature_digest and ledger.keys() == dict(keys)

    for folder, ledger in _sound(feature_dir, data_folders(feature_dir, shard), is_wanted):
        path = ledger_path(feature_dir, shard)
        made_ns = (folder / LEDGER).stat().st_mtime_ns
        ledger.write(path)
        os.utime(path, ns=(made_ns, made_ns))
        return ledger
    return None


def _sound(
    feature_dir: Path, folders: Iterable[Path], is_wanted: Callable[[Ledger], bool]
) -> Iterator[tuple[Path, Ledger]]:
    """Read the ledgers of data folders; keep those that are wanted, have the folder's name and no damage."""
    for folder in folders:
        try:
            ledger = Ledger.read_copy(LocalFolder(folder))
        except StoreError:
            continue
        if not is_wanted(ledger) or ledger.data != folder.relative_to(feature_dir).as_posix():
            continue
        if ledger.find_damage(feature_dir) is None:
            yield folder, ledger
