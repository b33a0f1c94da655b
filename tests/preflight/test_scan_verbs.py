"""`affectstore scan` and `affectstore split`, as a person and as a job call them."""

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support import small_crema_d as small

from affectstore.cli.main import main
from affectstore.preflight.scan import read_manifest
from affectstore.splits.base import PROTOCOLS, split_digest

NAMES = [f"{actor}_DFA_{emotion}_XX" for actor in range(1001, 1007) for emotion in ("ANG", "HAP")]


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    small.write_media(tmp_path / "media", NAMES)
    config = {"corpora": {"crema-d": {"root": "${MEDIA}", "shards": 2}}, "features": {}, "experiments": []}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "workflow" / "experiments").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDIA", str(tmp_path / "media"))
    return tmp_path


def test_scan_says_what_is_there_and_what_is_left_out(project: Path, capsys):
    assert main(["scan"]) == 0
    assert "12 clips of 6 speakers" in capsys.readouterr().out
    (project / "media/AudioWAV" / f"{NAMES[3]}.wav").write_bytes(b"")
    assert main(["scan", "crema-d"]) == 3
    out = capsys.readouterr().out
    assert "11 clips of 6 speakers" in out
    assert f"left out AudioWAV/{NAMES[3]}.wav: the file is empty (0 bytes)" in out
    assert NAMES[3] in (project / "results/manifests/crema-d.skipped.tsv").read_text()
    assert NAMES[3] not in read_manifest(project / "results/manifests/crema-d.parquet")["clip_id"].tolist()


def test_scan_of_a_corpus_that_is_not_there(project: Path, capsys, monkeypatch):
    assert main(["scan", "ravdes"]) == 1
    assert "'ravdes'; known: crema-d" in capsys.readouterr().err
    monkeypatch.setenv("MEDIA", str(project / "nowhere"))
    assert main(["scan", "crema-d"]) == 1
    assert f"{project}/nowhere does not exist" in capsys.readouterr().err
    monkeypatch.delenv("MEDIA")
    assert main(["scan", "crema-d"]) == 1
    assert "MEDIA" in capsys.readouterr().err


def test_split_writes_what_the_preflight_expects(project: Path, capsys):
    main(["scan"])
    config = next((project / "results/config").glob("*.json"))
    capsys.readouterr()
    split = ["split", "--config", str(config), "--corpus", "crema-d", "--protocol"]
    assert main([*split, "speaker_independent"]) == 0
    clips = read_manifest(project / "results/manifests/crema-d.parquet")
    digest = split_digest(PROTOCOLS.load("speaker_independent").split(clips))
    for folder in ("results/splits/crema-d", "results/store/crema-d/splits"):
        assert json.loads((project / folder / "speaker_independent.json").read_text())["digest"] == digest
        assert len(pd.read_parquet(project / folder / "speaker_independent.parquet")) == 5 * len(NAMES)
    assert main([*split, "loso"]) == 1
    assert "known: given, random_70_30, random_90_10, speaker_independent" in capsys.readouterr().err
    assert main([*split, "sound"]) == 1
    assert "unknown protocol 'sound': it is now called 'speaker_independent'\n" in capsys.readouterr().err
