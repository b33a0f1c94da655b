"""Kinds of change to a built tiny project, and the jobs that each of them makes run again."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support import tiny_project
from support.python import prepended

ALL = ("audio", "frames", "mel", "mel_image", "mel_chunks")


@dataclass(frozen=True)
class Change:
    """A change and the jobs that follow from it.

    Attributes:
        what: Name of the change.
        apply: Function that makes the change in a project's folder.
        extract: Feature -> number of extraction jobs.
        computed: Feature -> number of clips computed; the other clips of its jobs are reused.
        train: Cells that are trained again.
        environment: Function from the folder to further variables of the run.
    """

    what: str
    apply: Callable[[Path], None]
    extract: dict[str, int] = field(default_factory=dict)
    computed: dict[str, int] = field(default_factory=dict)
    train: tuple[str, ...] = ()
    environment: Callable[[Path], dict[str, str]] = lambda folder: {}


def clips(folder: Path) -> list[Path]:
    """List the media files."""
    return sorted(path for path in (folder / "media").rglob("*") if path.suffix in (".mp4", ".flv", ".avi", ".mkv"))


def shard_of(clip: Path) -> str:
    """Find the shard of a clip."""
    from affectstore.features.plan import shard_of as function

    return function(clip.stem, 2)


def _nothing(folder: Path) -> None:
    pass


def _touch(folder: Path) -> None:
    os.utime(clips(folder)[0])


def _same_contents(folder: Path) -> None:
    """Append a free box to an mp4: another file with the same frames and samples."""
    with open(clips(folder)[0], "ab") as file:
        file.write((16).to_bytes(4, "big") + b"free" + b"\0" * 8)


def _other_contents(folder: Path) -> None:
    shutil.copyfile(clips(folder)[5], clips(folder)[0])


def _rename(folder: Path) -> None:
    """Rename a clip within its shard: one job per feature, and nothing computed."""
    clip = clips(folder)[0]
    clip.rename(_free_name(folder, clip, shard_of(clip)))


def _add(folder: Path) -> None:
    clip = clips(folder)[0]
    target = _free_name(folder, clip, "000")
    shutil.copyfile(clip, target)
    with open(target, "ab") as file:
        file.write((16).to_bytes(4, "big") + b"free" + b"added...")


def _free_name(folder: Path, clip: Path, shard: str) -> Path:
    taken = {path.stem for path in clips(folder)}
    actor, _, emotion, _ = clip.stem.split("_")
    for sentence in ("WSI", "TSI", "ITS", "DFA", "ITH", "IWL", "MTI", "TAI", "IWW", "IOM", "TIE"):
        target = clip.with_stem(f"{actor}_{sentence}_{emotion}_XX")
        if target.stem not in taken and shard_of(target) == shard:
            return target
    raise LookupError("no free name in this shard")


def _delete(folder: Path) -> None:
    next(clip for clip in clips(folder) if shard_of(clip) == "000").unlink()


def _config(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        config = copy.deepcopy(tiny_project.CONFIG)
        change(config)
        tiny_project.write_config(folder, config)

    return apply


def _n_mels(config: dict[str, Any]) -> None:
    config["features"]["mel"]["options"] = {"n_mels": 64}


def _reorder(config: dict[str, Any]) -> None:
    config["features"] = dict(reversed(config["features"].items()))


def _shards(config: dict[str, Any]) -> None:
    config["corpora"]["synthetic"]["shards"] = 3


def _version(folder: Path) -> dict[str, str]:
    """Install another version of one extractor, as an upgrade does."""
    (folder / "upgrade").mkdir(exist_ok=True)
    (folder / "upgrade" / "sitecustomize.py").write_text(
        "import dataclasses\nfrom affectstore.features.audio import mel\n"
        "mel.SPEC = dataclasses.replace(mel.SPEC, version=mel.SPEC.version + 1)\n"
    )
    return {"PYTHONPATH": prepended(folder / "upgrade")}


def _delete_data(folder: Path) -> None:
    shards = folder / "results/store/synthetic/mel/shards"
    shutil.rmtree(shards / Path(json.loads((shards / "000.json").read_text())["data"]).name)


def _delete_ledger(folder: Path) -> None:
    (folder / "results/store/synthetic/mel/shards/000.json").unlink()


def _delete_catalog(folder: Path) -> None:
    (folder / "results/store/synthetic/mel/catalog.json").unlink()


def _delete_snakemake(folder: Path) -> None:
    shutil.rmtree(folder / ".snakemake", ignore_errors=True)


def _delete_plans(folder: Path) -> None:
    shutil.rmtree(folder / "results/plans")


def _delete_manifests(folder: Path) -> None:
    shutil.rmtree(folder / "results/manifests")


def _delete_run(folder: Path) -> None:
    shutil.rmtree(folder / "results/runs/tiny/audio-net/0")


ONE_EACH = dict.fromkeys(ALL, 1)
BOTH = dict.fromkeys(ALL, 2)
CELLS = ("audio-net", "vision-net")
MEL = {"mel": 2, "mel_image": 2, "mel_chunks": 2}
OF_MEL = dict.fromkeys(MEL, 12)

CHANGES = (
    Change("nothing", _nothing),
    Change("a clip touched", _touch),
    Change("a clip's bytes changed, its audio and video not", _same_contents, ONE_EACH, ONE_EACH),
    Change("a clip replaced by a copy of another", _other_contents, ONE_EACH, {}, CELLS),
    Change("a clip renamed", _rename, ONE_EACH, {}, CELLS),
    Change("a clip added", _add, ONE_EACH, ONE_EACH, CELLS),
    Change("a clip deleted", _delete, ONE_EACH, {}, CELLS),
    Change("an option changed (mel: n_mels)", _config(_n_mels), MEL, OF_MEL, ("audio-net",)),
    Change("an extractor's version changed (mel)", _nothing, MEL, OF_MEL, (), _version),
    Change("the order of config.yaml changed", _config(_reorder)),
    Change("the number of shards changed", _config(_shards), dict.fromkeys(ALL, 3)),
    Change("a shard's data deleted (mel)", _delete_data, {"mel": 1}, {"mel": -1}),
    Change("a ledger deleted (mel)", _delete_ledger),
    Change("a catalog deleted (mel)", _delete_catalog),
    Change(".snakemake deleted", _delete_snakemake),
    Change("the plans deleted", _delete_plans),
    Change("the manifests deleted", _delete_manifests),
    Change("a trained cell deleted", _delete_run, train=("audio-net",)),
)
