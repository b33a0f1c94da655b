"""`affectstore check`: what lies in a folder, before there is any config.yaml."""

import re
from pathlib import Path

import pytest
from support import small_crema_d, small_ravdess

from affectstore.cli.main import main
from affectstore.corpora._crema_d_names import EMOTIONS, SENTENCES
from affectstore.paths import Results
from affectstore.preflight import folder_check

CREMA = [
    f"{actor}_{sentence}_{emotion}_XX" for actor in (1001, 1002) for sentence in ("DFA", "TSI") for emotion in EMOTIONS
]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch) -> Path:
    """A working folder without a project, in which nothing must be left."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def crema(tmp_path: Path) -> Path:
    root = tmp_path / "crema"
    small_crema_d.write_media(root, CREMA)
    small_crema_d.write_list(root, CREMA)
    return root


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    status = main(["check", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def test_what_is_there(crema: Path, nowhere: Path, capsys):
    status, out, err = run(capsys, "crema-d", crema)
    assert (status, err) == (0, "")
    assert out.splitlines()[:2] == [
        "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset",
        "24 clips of 2 speakers",
    ]
    assert "label_intended: ANG 4, DIS 4, FEA 4, HAP 4, NEU 4, SAD 4\n" in out
    assert "level: XX 24\n" in out
    assert "audio: 24 clips\nvideo: 0 clips\n" in out
    assert "word times" not in out
    assert "24 of 24 media files were opened\n" in out
    assert out.endswith("0 would be left out\n")
    assert list(nowhere.iterdir()) == []
    assert sorted(path.name for path in crema.iterdir()) == ["AudioWAV", "SentenceFilenames.csv"]


def test_what_is_missing_broken_and_empty(crema: Path, capsys):
    folder = crema / "AudioWAV"
    (folder / f"{CREMA[0]}.wav").unlink()
    (folder / f"{CREMA[1]}.wav").write_bytes(b"")
    (folder / f"{CREMA[2]}.wav").write_text("not a sound")
    (folder / f"{CREMA[3]}.wav").unlink()
    (folder / f"{CREMA[3]}.wav").symlink_to("nothing.wav")
    (folder / "notes.txt").write_text("")
    (folder / f"{CREMA[4]}.WAV").write_bytes(small_crema_d.sound())
    status, out, _ = run(capsys, "crema-d", crema)
    assert status == 3
    listed = dict(re.findall(r"^  (1: .*) \((.*)\)$", out, re.MULTILINE))
    assert "6 would be left out:\n" in out
    assert {reason: what for reason, what in listed.items() if "SentenceFilenames" not in reason} == {
        "1: the file is empty (0 bytes)": f"AudioWAV/{CREMA[1]}.wav",
        "1: cannot be opened as media: invalid data found when processing input": f"AudioWAV/{CREMA[2]}.wav",
        "1: the file is missing": f"AudioWAV/{CREMA[3]}.wav",
        "1: not a .wav file": "AudioWAV/notes.txt",
        f"1: a second file for the same name; AudioWAV/{CREMA[4]}.wav is used": f"AudioWAV/{CREMA[4]}.WAV",
    }
    assert re.search(rf"^  1: .*listed in SentenceFilenames.csv.*\({CREMA[0]}\)$", out, re.MULTILINE)


def test_reasons_are_those_of_the_scan(crema: Path, tmp_path: Path, capsys):
    from affectstore.preflight.scan import scan

    folder = crema / "AudioWAV"
    (folder / f"{CREMA[1]}.wav").write_bytes(b"")
    (folder / f"{CREMA[2]}.wav").write_text("not a sound")
    (folder / f"{CREMA[3]}.wav").unlink()
    (folder / f"{CREMA[3]}.wav").symlink_to(tmp_path / "elsewhere.wav")
    (tmp_path / "elsewhere.wav").write_bytes(small_crema_d.sound())
    _, out, _ = run(capsys, "crema-d", crema)
    for skip in scan("crema-d", crema, {}, results=Results(tmp_path / "results")).skipped:
        assert f"1: {skip.reason} ({skip.path})" in out


def test_nothing_usable_is_an_error(tmp_path: Path, capsys):
    small_crema_d.write_media(tmp_path / "c", CREMA[:2])
    (tmp_path / "c/AudioWAV" / f"{CREMA[0]}.wav").write_bytes(b"")
    (tmp_path / "c/AudioWAV" / f"{CREMA[1]}.wav").write_bytes(b"")
    status, out, err = run(capsys, "crema-d", tmp_path / "c")
    assert status == 1
    assert "2: the file is empty" in out
    assert f"no usable clip in {tmp_path / 'c'}" in err
    status, out, err = run(capsys, "crema-d", tmp_path / "nowhere")
    assert (status, out) == (1, "")
    assert "nowhere does not exist; looked there for VideoFlash/*.flv" in err


def test_a_good_clip_beside_a_second_file_of_its_name_is_usable(tmp_path: Path, capsys):
    small_crema_d.write_media(tmp_path, CREMA[:1])
    small_crema_d.write_media(tmp_path, CREMA[:1], suffix=".WAV")
    status, out, err = run(capsys, "crema-d", tmp_path)
    assert (status, err) == (3, "")
    assert "1: a second file for the same name" in out


def test_ravdess_with_options(tmp_path: Path, capsys):
    sung = "02-03-01-01-01-07"
    root = tmp_path / "ravdess"
    small_ravdess.write(root, ["03-01-05-02-01-01-12.wav", "01-01-05-02-01-01-12.mp4", f"03-{sung}.wav"])
    (root / "Song_Actor_09.zip").write_bytes(b"PK")
    status, out, _ = run(capsys, "ravdess", root)
    assert status == 0
    assert "1 clips of 1 speakers\n" in out
    assert "1 recordings of song are there too" in out
    assert "not unpacked: Song_Actor_09.zip" in out
    assert "1439 clips that the corpus lists have no media in this copy" in out
    status, out, _ = run(capsys, "ravdess", root, "--option", "channel=both", "--option", "audio=wav")
    assert status == 0
    assert "label_intended: HAP 1, ANG 1\n" in out
    assert "audio: 2 clips\nvideo: 1 clips\n" in out


@pytest.mark.parametrize(
    ("corpus", "option", "words"),
    [
        ("ravdess", "chanel=both", "Did you mean 'channel'?"),
        ("ravdess", "channel=opera", "options of ravdess:\n  channel: 'opera' is not possible"),
        ("ravdess", "channel", "'channel': write KEY=VALUE"),
        ("folder", "columns={label", "is not YAML"),
        ("ravdes", "channel=both", "unknown corpus 'ravdes'"),
    ],
)
def test_wrong_options_are_a_message(corpus: str, option: str, words: str, tmp_path: Path, capsys):
    status, out, err = run(capsys, corpus, tmp_path, "--option", option)
    assert (status, out) == (1, "")
    assert words in err


def test_an_own_folder(tmp_path: Path, capsys):
    root = tmp_path / "mine"
    root.mkdir()
    for name in ("a", "b"):
        (root / f"{name}.wav").write_bytes(small_crema_d.sound(300 if name == "a" else 400))
    (tmp_path / "secret.wav").write_bytes(small_crema_d.sound())
    (root / "broken.wav").write_text("no sound")
    lines = ["path,emotion,clip_id,speaker,split,words", "a.wav,sad,,s,train,a.tsv", "b.wav,glad,,s,test,"]
    lines += ["broken.wav,sad,one,s,train,", "broken.wav,sad,two,s,train,", "../secret.wav,sad,three,s,train,"]
    (root / "list.csv").write_text("\n".join(lines) + "\n")
    given = ("--option", "csv=list.csv", "--option", "columns={label: emotion}")
    status, out, err = run(capsys, "folder", root, *given)
    assert (status, err) == (3, "")
    assert "label_intended: glad 1, sad 3\n" in out
    assert "split: test 1, train 3\n" in out
    assert "word times: 1 clips\n" in out
    assert "4 would be left out:\n" in out
    assert "2: cannot be opened as media: invalid data found when processing input (broken.wav, broken.wav)" in out
    assert "1: the path leaves the corpus folder (../secret.wav)" in out
    assert "1: the clip is kept, its word times are not: the file is missing (a.tsv)" in out
    status, _, err = run(capsys, "folder", root)
    assert status == 1
    assert "tables there: list.csv" in err


def test_an_embedded_corpus_is_not_made(tmp_path: Path, capsys):
    status, _, err = run(capsys, "synthetic", tmp_path / "media")
    assert status == 1
    assert str(tmp_path / "media") in err
    assert not (tmp_path / "media").exists()


def test_files_are_opened_here_and_there_and_not_for_long(crema: Path, capsys, monkeypatch):
    (crema / "AudioWAV" / f"{CREMA[7]}.wav").write_text("not a sound")
    monkeypatch.setattr(folder_check, "_OPENED", 6)
    assert "6 of 24 media files were opened; the scan reads all" in run(capsys, "crema-d", crema)[1]
    monkeypatch.setattr(folder_check, "_SECONDS", -1)
    status, out, _ = run(capsys, "crema-d", crema)
    assert "0 of 24 media files were opened; the scan reads all" in out
    assert status == 0


def test_a_complete_corpus_is_told_as_such(tmp_path: Path, capsys, monkeypatch):
    from affectstore.corpora import ravdess

    made = small_ravdess.performed(["01", "02"])[::7]
    small_ravdess.write(tmp_path, (f"03-{recording}.wav" for recording in made))
    monkeypatch.setattr(ravdess, "recordings", lambda channel: made)
    status, out, _ = run(capsys, "ravdess", tmp_path)
    assert status == 0
    assert "all numbers are those of the complete corpus\n" in out
    monkeypatch.setattr(ravdess, "_expected", lambda _: {"clips": len(made), "speakers": 24})
    assert "the card expects 24 of speakers, found 2\n" in run(capsys, "ravdess", tmp_path)[1]


def test_many_files_take_seconds(tmp_path: Path, capsys):
    names = [
        f"{actor}_{sentence}_{emotion}_XX"
        for actor in range(1001, 1092)
        for sentence in SENTENCES
        for emotion in EMOTIONS
    ]
    small_crema_d.write_list(tmp_path, names)
    (tmp_path / "AudioWAV").mkdir()
    for name in names:
        (tmp_path / "AudioWAV" / f"{name}.wav").write_bytes(b"x")
    status, out, _ = run(capsys, "crema-d", tmp_path)
    assert status == 3
    assert f"{len(names)} clips of 91 speakers" in out
    assert "60: cannot be opened as media" in out
