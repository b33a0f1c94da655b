"""Generated files: the same seed gives the same bytes, and existing files are left alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from affectstore.corpora import synthetic
from affectstore.corpora.synthetic import _audio_track, _generate
from affectstore.errors import ConfigError, CorpusError

FOUR = {"clips": 4, "seed": 5}


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "synthetic.json"
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made")
    synthetic.prepare(root, FOUR, jobs=2)
    return root


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "corpus"))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the clips that workers are asked for, and write two bytes for each."""
    names: list[str] = []

    def instead(root, options, stems):  # type: ignore[no-untyped-def]
        for stem in stems:
            (root / "video" / f"{stem}.mp4").write_bytes(b"v%d" % options.seed)
            (root / "words" / f"{stem}.tsv").write_bytes(b"w%d" % options.seed)
        names.extend(stems)
        return dict.fromkeys(stems, "digest")

    monkeypatch.setattr(_generate, "_run_worker", instead)
    return names


def test_same_seed_same_bytes_in_any_order_and_number(made: Path, tmp_path: Path) -> None:
    synthetic.prepare(tmp_path, {"clips": 2, "seed": 5}, jobs=1)
    assert {name: made.joinpath(name).read_bytes() for name in content(tmp_path)} == content(tmp_path)
    first = (tmp_path / "synthetic.json").read_bytes()
    before = content(tmp_path)
    synthetic.prepare(tmp_path, FOUR, jobs=1)
    assert content(tmp_path) == content(made)
    assert before.items() <= content(tmp_path).items()
    assert (tmp_path / "synthetic.json").read_bytes() == (made / "synthetic.json").read_bytes() != first


def test_another_seed_gives_other_bytes(made: Path, tmp_path: Path) -> None:
    synthetic.prepare(tmp_path, {"clips": 1, "seed": 6}, jobs=1)
    for name, found in content(tmp_path).items():
        assert found != (made / name).read_bytes()


def test_media_are_real(made: Path) -> None:
    for path in (made / "video").iterdir():
        with av.open(str(path)) as container:
            frames = list(container.decode(video=0))
        with av.open(str(path)) as container:
            samples = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
        assert {(frame.width, frame.height) for frame in frames} == {(320, 240)}
        assert [frame.time for frame in frames] == pytest.approx([k / 25 for k in range(len(frames))], abs=1e-3)
        assert len(samples) / 22050 == pytest.approx(len(frames) / 25, abs=0.1)
        assert 0.01 < samples.std() < 0.5
        words = pd.read_table(made / "words" / f"{path.stem}.tsv", quoting=3)
        assert list(words.columns) == ["word", "start_s", "end_s"]
        assert (words.start_s < words.end_s).all()
        assert words.end_s.max() < len(frames) / 25


def test_no_temporary_files_are_left(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == ["synthetic.json", "video", "words"]


def test_hand_made_changes_are_left_alone(corpus: Path, asked: list[str]) -> None:
    changed, deleted, renamed, _ = sorted((corpus / "video").iterdir())
    changed.write_bytes(b"other")
    deleted.unlink()
    renamed.rename(renamed.with_name("1044_DFA_ANG_XX.mp4"))
    before = content(corpus)
    synthetic.prepare(corpus, FOUR)
    assert asked == []
    assert content(corpus) == before


def test_more_clips_make_the_missing_ones_only(corpus: Path, asked: list[str]) -> None:
    before = content(corpus)
    synthetic.prepare(corpus, {"clips": 7, "seed": 5}, jobs=3)
    assert len(asked) == 3
    assert before.items() <= content(corpus).items()
    synthetic.prepare(corpus, {"clips": 7, "seed": 5})
    assert len(asked) == 3


def test_fewer_clips_remove_those_made_but_no_others(corpus: Path, asked: list[str]) -> None:
    mine = corpus / "video" / "1044_DFA_ANG_XX.mp4"
    mine.write_bytes(b"mine")
    names = list(json.loads((corpus / "synthetic.json").read_text())["clips"])
    synthetic.prepare(corpus, {"clips": 2, "seed": 5})
    left = {path.stem for path in (corpus / "video").iterdir()}
    assert asked == []
    assert mine.stem in left
    assert len(left & set(names)) == 2
    assert {path.stem for path in (corpus / "words").iterdir()} == left & set(names)


@pytest.mark.parametrize("what", ["seed", "version", "marker", "option"])
def test_all_is_made_again(what: str, corpus: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    options = dict(FOUR)
    if what == "seed":
        options["seed"] = 6
    elif what == "option":
        options["fps"] = 30
    elif what == "version":
        monkeypatch.setattr(_generate, "GENERATOR", _generate.GENERATOR + 1)
    else:
        (corpus / "synthetic.json").write_text("{broken")
    synthetic.prepare(corpus, options, jobs=2)
    assert len(asked) == 4
    assert set(content(corpus).values()) == {b"v%d" % options["seed"], b"w%d" % options["seed"]}
    synthetic.prepare(corpus, options, jobs=2)
    assert len(asked) == 4


def test_an_interrupted_run_goes_on_where_it_stopped(
    tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_generate, "_BATCH", 4)
    good = _generate._run_worker

    def stops(root, options, stems):  # type: ignore[no-untyped-def]
        if len(asked) >= 8:
            raise CorpusError("the disk is full")
        return good(root, options, stems)

    monkeypatch.setattr(_generate, "_run_worker", stops)
    with pytest.raises(CorpusError, match="the disk is full"):
        synthetic.prepare(tmp_path, {"clips": 12}, jobs=1)
    monkeypatch.setattr(_generate, "_run_worker", good)
    synthetic.prepare(tmp_path, {"clips": 12}, jobs=1)
    assert len(asked) == len(set(asked)) == 12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"clip": 3}, "clip: .*known options: clips, seed"),
        ({"clips": 0}, "clips.*got 0"),
        ({"width_px": 321}, "width_px"),
    ],
)
def test_options_are_checked(options: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        synthetic.prepare(tmp_path, options)
    assert list(tmp_path.iterdir()) == []


def test_no_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="at least one job, got 0"):
        synthetic.prepare(tmp_path, {}, jobs=0)


def test_a_worker_that_fails_says_why(tmp_path: Path) -> None:
    name = str(_generate.names(1)[0])
    (tmp_path / "video" / f"{name}.mp4").mkdir(parents=True)  # in the way
    with pytest.raises(CorpusError, match=name):
        synthetic.prepare(tmp_path, {"clips": 1}, jobs=1)
    assert not (tmp_path / "synthetic.json").exists()
    assert [path.name for path in tmp_path.glob(".making-*")] == []


def test_speech_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from affectstore.corpora.synthetic._emotions import PROSODY
    from affectstore.corpora.synthetic._speaker import speaker

    monkeypatch.setattr(_audio_track, "_espeak_files", lambda: ("/nowhere/libespeak-ng.so", "/nowhere"))
    with pytest.raises(CorpusError, match=r"could not speak 'Hello.'.*nowhere"):
        _audio_track.make_audio_track("Hello.", speaker(0, 1001), PROSODY["NEU"], 882, np.random.default_rng(0))


def test_workers_load_no_torch() -> None:
    code = (
        "import sys, affectstore.corpora.synthetic._worker; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'librosa', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_verb(tmp_path: Path, asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from affectstore.cli.main import main

    assert main(["synthesize", "--clips", "3", "--seed", "2", "--out", str(tmp_path / "out"), "--jobs", "1"]) == 0
    assert len(asked) == 3
    assert "3 clips of 3 speakers" in capsys.readouterr().out
    assert main(["synthesize", "--clips", "0", "--out", str(tmp_path / "out")]) == 1
    assert "clips" in capsys.readouterr().err
