"""Bad files of each kind: a row or a status names each, the run goes on, and the summary counts them."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support import bad_corpus, tiny_project
from support.python import environment

from affectstore.store.index.ledger import Ledger

#: Tests that share the one run below run in one worker.
SHARED = pytest.mark.xdist_group("bad-input")
FEATURES = ("audio", "frames", "faces", "mel", "mel_image", "mel_chunks")
CONFIG: dict[str, Any] = {
    "corpora": {"crema-d": {"root": "media", "shards": 1}},
    "features": {name: {"extractor": name} for name in FEATURES}
    | {"frames": {"extractor": "frames", "options": {"size_px": 32}}},
    "experiments": ["tiny"],
}
EXPERIMENT = {
    **tiny_project.EXPERIMENT,
    "corpus": "crema-d",
    "cells": [{"modalities": ["audio", "vision"], "encoder": "simple3d", "fusion": "channel", "name": "both"}],
}


@dataclass(frozen=True)
class Done:
    """A finished `affectstore run`."""

    folder: Path
    good: list[str]
    status: int
    text: str


def affectstore_run(folder: Path, *targets: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`affectstore run` as a user whom the permissions of files bind, root too."""
    command = [sys.executable, "-m", "affectstore", "run", "--cores", "2", *targets]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    env = environment(**variables)
    env.pop("AFFECTSTORE_DATA", None)
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The corpus of `bad_corpus`, all six features extracted from it."""
    folder = tiny_project.make_project(tmp_path_factory.mktemp("bad") / "project", CONFIG, EXPERIMENT)
    good = bad_corpus.make(folder / "media")
    done = affectstore_run(folder, "crema-d")
    return Done(folder, good, done.returncode, done.stdout + done.stderr)


def statuses(folder: Path) -> dict[tuple[str, str], tuple[str, str]]:
    """(clip, feature) -> status and reason, from the ledgers."""
    found = {}
    for feature in FEATURES:
        for entry in Ledger.read(folder / f"results/store/crema-d/{feature}/shards/000.json").clips:
            found[entry.clip_id, feature] = entry.status, entry.reason
    return found


def skipped(folder: Path) -> list[dict[str, str]]:
    with open(folder / "results/manifests/crema-d.skipped.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@SHARED
@pytest.mark.slow
def test_each_unusable_file_is_one_row(bad: Done) -> None:
    rows = skipped(bad.folder)
    expected = dict(bad_corpus.SKIPPED)
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        del expected["VideoFlash/1011_DFA_SAD_XX.flv"]  # root without setpriv may read everything
    assert Counter(row["path"] or row["clip_id"] for row in rows) == dict.fromkeys(expected, 1)
    for row in rows:
        assert expected[row["path"] or row["clip_id"]] in row["reason"]


@SHARED
@pytest.mark.slow
def test_each_unusable_clip_has_a_status_with_its_reason(bad: Done) -> None:
    found = statuses(bad.folder)
    for clip_id, reasons in bad_corpus.FAILED.items():
        for feature in FEATURES:
            status, reason = found[clip_id, feature]
            if clip_id == "1012_IEO_DIS_LO" and feature in ("frames", "faces"):
                continue  # where the noise falls decides whether the picture is hurt
            if feature in reasons:
                assert (status, reasons[feature] in reason) == ("failed", True), (clip_id, feature, reason)
            else:
                assert (status, reason) == ("ok", ""), (clip_id, feature)


@SHARED
@pytest.mark.slow
def test_everything_else_is_there(bad: Done) -> None:
    found = statuses(bad.folder)
    whole = {*bad.good, *bad_corpus.ODD}
    assert {clip_id for clip_id, _ in found} - whole - bad_corpus.FAILED.keys() <= {"1011_DFA_SAD_XX"}
    for clip_id in whole:
        assert {found[clip_id, feature] for feature in FEATURES} == {("ok", "")}, clip_id


@SHARED
@pytest.mark.slow
def test_status_and_summary_say_so(bad: Done) -> None:
    assert bad.status == 3, bad.text
    assert f"crema-d: {len(skipped(bad.folder))} skipped, see results/manifests/crema-d.skipped.tsv" in bad.text
    failed = Counter(feature for (_, feature), (status, _) in statuses(bad.folder).items() if status == "failed")
    for feature, count in failed.items():
        assert f"crema-d/{feature}: {count} clips failed" in bad.text
    assert "Traceback" not in bad.text


@SHARED
@pytest.mark.slow
def test_a_second_run_does_nothing_and_still_says_so(bad: Done) -> None:
    again = affectstore_run(bad.folder, "crema-d")
    assert again.returncode == 3, again.stdout + again.stderr
    assert "nothing to do" in again.stdout
    assert "skipped, see" in again.stdout
    accepted = affectstore_run(bad.folder, "--allow-incomplete", "crema-d")
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr


@SHARED
@pytest.mark.slow
def test_the_counts_stand_under_the_table(bad: Done) -> None:
    done = affectstore_run(bad.folder, "tiny")
    assert done.returncode == 3, done.stdout + done.stderr
    table = (bad.folder / "results/tables/tiny.md").read_text()
    assert f"Skipped when the corpus was scanned: {len(skipped(bad.folder))} files" in table
    assert "cannot be opened as media" in table
    read = ("frames", "mel_chunks")
    found = statuses(bad.folder)
    lost = {clip_id for (clip_id, feature), (status, _) in found.items() if feature in read and status != "ok"}
    assert f"Skipped: {len(lost)} clips" in table
    assert "truncated" in table
    assert table.strip() in done.stdout


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda media: None, "does not exist"),
        (Path.mkdir, "is empty"),
        (lambda media: media.write_text("a file"), "is not a folder"),
        (lambda media: (media / "Pictures").mkdir(parents=True), "found there: Pictures"),
        (lambda media: (media / "VideoFlash").mkdir(parents=True), "looked for VideoFlash/*.flv"),
    ],
    ids=["missing", "empty", "file", "other", "hollow"],
)
def test_no_corpus_stops_with_what_was_looked_for(prepare: Any, words: str, tmp_path: Path) -> None:
    folder = tiny_project.make_project(tmp_path / "project", CONFIG, EXPERIMENT)
    prepare(folder / "media")
    done = affectstore_run(folder, "crema-d")
    assert done.returncode == 1
    assert words in done.stderr
    assert "VideoFlash/*.flv" in done.stderr
    assert "media" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "results/store").exists()


def test_an_unset_variable_stops_with_its_name(tmp_path: Path) -> None:
    config = {**CONFIG, "corpora": {"crema-d": {"root": "${AFFECTSTORE_DATA}/crema-d", "shards": 1}}}
    folder = tiny_project.make_project(tmp_path / "project", config, EXPERIMENT)
    done = affectstore_run(folder, "crema-d")
    assert done.returncode == 1
    assert "environment variable AFFECTSTORE_DATA, which is not set" in done.stderr
    assert "corpora.crema-d.root" in done.stderr
    assert "Traceback" not in done.stderr
