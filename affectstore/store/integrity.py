"""Whether the data that a ledger names are there, without reading them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from affectstore.errors import StoreError
from affectstore.store.folders import LocalFolder
from affectstore.store.layout import LEDGER, data_folders, ledger_path
from affectstore.store.ledger import Ledger
from affectstore.store.shard import read_ledger_copy


def whole(feature_dir: Path, ledger: Ledger) -> str:
    """'' where every file that the ledger names is there in its size; otherwise what is wrong.

    Only sizes are looked at (`affectstore verify` reads everything).
    """
    folder = feature_dir / ledger.data
    for name, size in ledger.files.items():
        try:
            found = (folder / name).stat().st_size
        except OSError:
            return f"{folder / name} is missing"
        if found != size:
            return f"{folder / name} has {found} bytes instead of {size}"
    if not (folder / LEDGER).is_file():
        return f"{folder / LEDGER} is missing"
    return ""


def restore_ledger(feature_dir: Path, shard: str, feature_digest: str, keys: Mapping[str, str]) -> Ledger | None:
    """Put a ledger back that data on disk still bear out.

    Args:
        keys: key of each clip that the shard has to hold, by clip id.

    Returns:
        The ledger, which is written to its place with the time of its copy, so that nothing downstream
        looks older than it; None where no data folder of the shard holds exactly these clips.
    """
    for folder in data_folders(feature_dir, shard):
        try:
            ledger = read_ledger_copy(LocalFolder(folder))
        except StoreError:
            continue
        if ledger.feature_digest != feature_digest or ledger.keys() != dict(keys):
            continue
        if ledger.data != folder.relative_to(feature_dir).as_posix() or whole(feature_dir, ledger):
            continue
        path = ledger_path(feature_dir, shard)
        made_ns = (folder / LEDGER).stat().st_mtime_ns
        ledger.write(path)
        os.utime(path, ns=(made_ns, made_ns))
        return ledger
    return None
