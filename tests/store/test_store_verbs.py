"""Verbs that read or clean a store: `affectstore ls | show | get | verify | gc`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from affectstore.cli.main import main
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.index.ledger import Ledger
from affectstore.store.spec import ArraySpec

Clip = Callable[..., ClipArrays]
WriteShard = Callable[..., Ledger]


@pytest.fixture
def project(published: Path, clip: Clip, write_shard: WriteShard, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stores of a working folder with results/store/corpus/{mel,draft}; the second was never published."""
    stores = published.parent / "results" / "store"
    stores.mkdir(parents=True)
    published.rename(stores / "corpus")
    write_shard(stores / "corpus" / "draft", "0", {"a": clip(1)})
    monkeypatch.chdir(published.parent)
    return stores


def test_ls(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ls"]) == 0
    head, draft, mel = capsys.readouterr().out.splitlines()
    assert " ".join(head.split()) == "corpus feature ok failed n.a. rows size rate ms/clip array digest weights"
    assert draft.split("  ")[-1].strip() == "not published yet"
    cells = mel.split()
    assert cells[:6] == ["corpus", "mel", "3", "1", "1", "8"]
    assert cells[8:] == ["43.0664/s", "(column,", "5)", "float32", "abababababab"]
    for path in ("corpus", "corpus/mel", "results/store/corpus", str(project)):
        assert main(["ls", path]) == 0
        assert "43.0664/s" in capsys.readouterr().out


def test_a_path_that_is_none(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for verb in ("ls", "verify", "gc", "show"):
        assert main([verb, "nowhere"]) == 1
        assert "looked at nowhere and results/store/nowhere" in capsys.readouterr().err
    assert main(["show", "corpus"]) == 1
    assert "name one of: corpus/draft, corpus/mel" in capsys.readouterr().err


def test_show(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "corpus/mel"]) == 0
    text = capsys.readouterr().out
    assert "ab" * 32 in text
    assert 'options: {"n_mels": 5}' in text
    assert "(column, band 5)" in text
    assert "no sound" in text
    assert "no picture" in text
    assert "\na  " not in text
    assert main(["show", "corpus/mel", "--clips"]) == 0
    assert "\na  " in capsys.readouterr().out


def test_show_a_clip(project: Path, capsys: pytest.CaptureFixture[str], clip: Clip) -> None:
    assert main(["show", "corpus/mel", "b"]) == 0
    text = capsys.readouterr().out
    assert "3 rows at 11025/256/s from 0.0333333 s to 0.102993 s" in text
    assert f"{clip(2, rows=3).arrays['values'].max():.6g}" in text
    assert main(["show", "corpus/mel", "mute"]) == 0
    assert "failed: no sound" in capsys.readouterr().out
    assert main(["show", "corpus/mel", "nobody"]) == 1
    assert "no clip 'nobody'" in capsys.readouterr().err


def test_get(project: Path, capsys: pytest.CaptureFixture[str], clip: Clip, tmp_path: Path) -> None:
    assert main(["get", "corpus/mel", "c"]) == 0
    assert capsys.readouterr().out.startswith("c values (1, 5) float32\n[[")
    assert main(["get", "corpus/mel", "a", "-o", str(tmp_path / "a.npy")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), clip(1).arrays["values"])
    assert main(["get", "corpus/mel", "a", "b", "-o", str(tmp_path / "two.npz")]) == 0
    with np.load(tmp_path / "two.npz") as both:
        np.testing.assert_array_equal(both["b"], clip(2, rows=3).arrays["values"])
        assert set(both) == {"a", "b"}
    capsys.readouterr()
    for wrong in (["a", "b", "-o", "x.npy"], ["a", "-o", "x.csv"], ["mute"], ["a", "nobody", "-o", "x.npz"]):
        assert main(["get", "corpus/mel", *wrong]) == 1
        assert capsys.readouterr().err.startswith("affectstore get: ")
        assert not Path("x.npz").exists()


def test_get_all_arrays_of_a_clip(project: Path, clip: Clip, write_shard: WriteShard, tmp_path: Path) -> None:
    from affectstore.store.commit import commit

    specs = (ArraySpec("values", "int16", ("row",)), ArraySpec("box", "float32", ("row", "corner"), (4,)))
    write_shard(project / "corpus" / "faces", "0", {"a": clip(1, specs=specs)}, specs=specs)
    commit(project / "corpus" / "faces", ["0"], {})
    assert main(["get", "corpus/faces", "a", "-o", str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert {name: arrays[name].shape for name in arrays} == {"a": (4,), "a/box": (4, 4)}


def test_get_from_a_zip(project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import shutil

    archive = shutil.make_archive(str(tmp_path / "packed"), "zip", project, "corpus")
    assert main(["get", f"zip://corpus/mel::{archive}", "a"]) == 0
    assert capsys.readouterr().out.startswith("a values (4, 5) float32")


def test_verify(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("corpus/draft: not published, 1 shards extracted: intact")
    assert out[2].endswith(": intact")
    ledger = Ledger.read(project / "corpus" / "mel" / "shards" / "0.json")
    file = project / "corpus" / "mel" / ledger.data / "values" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[3] ^= 1
    file.write_bytes(content)
    assert main(["verify", "corpus/mel"]) == 1
    out = capsys.readouterr().out
    assert "1 problem" in out
    assert "clip 'a'" in out


def test_gc(project: Path, capsys: pytest.CaptureFixture[str], clip: Clip, write_shard: WriteShard) -> None:
    old = Ledger.read(project / "corpus" / "draft" / "shards" / "0.json")
    write_shard(project / "corpus" / "draft", "0", {"a": clip(2)})
    assert main(["gc"]) == 0
    assert capsys.readouterr().out == "removed 0, 0 B\n"
    assert main(["gc", "corpus", "--grace", "0", "--dry-run"]) == 0
    assert old.data.rpartition("/")[2] in capsys.readouterr().out
    assert (project / "corpus" / "draft" / old.data).is_dir()
    assert main(["gc", "--grace", "0"]) == 0
    assert "removed 1" in capsys.readouterr().out
    assert not (project / "corpus" / "draft" / old.data).exists()
    assert main(["gc", "--grace", "-1"]) == 1


def test_gc_leaves_a_feature_alone_whose_catalog_is_damaged(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "corpus" / "mel" / "catalog.json").write_text("{")
    before = sorted((project / "corpus" / "mel").rglob("*"))
    assert main(["gc", "--grace", "0"]) == 1
    assert "corpus/mel: not changed" in capsys.readouterr().out
    assert sorted((project / "corpus" / "mel").rglob("*")) == before
