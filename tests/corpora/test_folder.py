import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support import odd_media, small_crema_d

from affectstore.config.main import Config
from affectstore.corpora.base import card_of
from affectstore.corpora.folder import CARD, find
from affectstore.errors import CorpusError
from affectstore.media.words import read_words
from affectstore.paths import Results
from affectstore.preflight.scan import scan, write_manifest


def table(root: Path, text: str, name: str = "clips.csv") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")
    return root


def rows(root: Path, **options) -> pd.DataFrame:
    return find(root, options).clips.set_index("clip_id")


def refused(root: Path, **options) -> str:
    with pytest.raises(CorpusError) as error:
        find(root, options)
    assert "corpus 'folder' (" in str(error.value)
    return str(error.value)


def test_every_column(tmp_path: Path):
    header = (
        "path,label,speaker,session,transcript,split,clip_id,start_s,end_s,face_side,audio,words,"
        "valence,activation,dominance,remark"
    )
    line = 'in/a.mp4,glad,Zoë,s1,"Well, hello",Dev,first,0.5,2,Left,in/a.wav,in/a.tsv,-1,2.5,3,thrown away'
    clip = rows(table(tmp_path, f"{header}\n{line}\n")).loc["first"]
    assert clip[["video_path", "audio_path", "words_path"]].tolist() == ["in/a.mp4", "in/a.wav", "in/a.tsv"]
    assert clip[["label_intended", "speaker", "session", "text"]].tolist() == ["glad", "Zoë", "s1", "Well, hello"]
    assert clip[["split", "face_side", "corpus"]].tolist() == ["val", "left", "folder"]
    assert clip[["start_s", "end_s", "valence", "activation", "dominance"]].tolist() == [0.5, 2, -1, 2.5, 3]


def test_the_path_alone_is_enough(tmp_path: Path):
    found = find(table(tmp_path, "path\nsub/a.mp4\nb.wav\n"), {})
    clips = found.clips.set_index("clip_id")
    assert clips.index.tolist() == ["b", "sub-a"]
    assert clips.loc["sub-a", ["video_path", "audio_path"]].tolist() == ["sub/a.mp4", "sub/a.mp4"]
    assert clips.loc["b", "audio_path"] == "b.wav"
    known = {"corpus", "start_s", "video_path", "audio_path"}
    assert clips.drop(columns=[*known]).isna().all(axis=None)
    assert clips["start_s"].tolist() == [0, 0]
    assert (found.skipped, found.absent) == ((), 0)
    assert [note.partition(":")[0] for note in found.notes] == [
        "clips.csv has no column 'label'",
        "clips.csv has no column 'speaker'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        'path,label,transcript\na.mp4,x,"one, two"\nb.mp4,y,"she said ""no"""\n',
        '\ufeffpath;label;transcript\r\na.mp4;x;one, two\r\nb.mp4;y;"she said ""no"""\r\n',
        'Path\tLABEL\tTranscript\na.mp4\tx\tone, two\nb.mp4\ty\tshe said "no"\n',
        ' path , label , transcript \n\n a.mp4 , x ,"one, two"\n , , \n./b.mp4,y,"she said ""no"""',
    ],
    ids=["comma", "semicolon, BOM and CRLF", "tab", "spaces and empty lines"],
)
def test_spellings_of_one_table(text: str, tmp_path: Path):
    clips = rows(table(tmp_path, text))
    assert clips["video_path"].tolist() == ["a.mp4", "b.mp4"]
    assert clips["label_intended"].tolist() == ["x", "y"]
    assert clips["text"].tolist() == ["one, two", 'she said "no"']


def test_fields_of_several_lines_and_odd_line_ends_stay_one_clip(tmp_path: Path):
    text = 'path,transcript,label\na.mp4,"one\ntwo",x\nb.mp4,three\u2028four\x85five\x0c,y\n'
    clips = rows(table(tmp_path, text))
    assert clips["label_intended"].tolist() == ["x", "y"]
    assert clips["text"].tolist() == ["one\ntwo", "three\u2028four\x85five"]


def test_backslashes_are_folders(tmp_path: Path):
    text = "path,audio,words\n.\\day 1\\a.mp4,.\\day 1\\a.wav,words\\a.tsv\n"
    clip = rows(table(tmp_path, text)).loc["day 1-a"]
    assert clip[["video_path", "audio_path", "words_path"]].tolist() == ["day 1/a.mp4", "day 1/a.wav", "words/a.tsv"]


def test_columns_of_other_names(tmp_path: Path):
    text = "File,emotion,subject,label\na.mp4,glad,s1,not this\n"
    given = {"columns": {"path": "file", "label": "Emotion", "speaker": "subject", "session": "subject"}}
    clip = rows(table(tmp_path, text, "meta.tsv"), csv="meta.tsv", **given).loc["a"]
    assert clip[["label_intended", "speaker", "session"]].tolist() == ["glad", "s1", "s1"]


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("file,label\na.mp4,x\n", {}, "no column 'path'; it has file, label. Known columns: path, label, speaker"),
        ("path,label\na.mp4,x\n", {"columns": {"label": "emotion"}}, "no column 'emotion'; it has path, label"),
        ("path,label\na.mp4,x\n", {"columns": {"lable": "label"}}, "options.columns names 'lable'; known: path, label"),
        ("path,label,Label\na.mp4,x,y\n", {}, "2 columns 'label'"),
        ("", {}, "it has none"),
        ("path,label\n", {}, "lists no clip"),
        ("path,label\n,x\n", {}, "clip number 1 has no path"),
        ("path,label\na.mp4,x\nb.mp4,y,z\n", {}, "line 3: 3 fields instead of 2"),
        ("path,label\na.mp4,x\nb.mp4\n", {}, "line 3: 1 fields instead of 2"),
        ('path,label\na.mp4,"x\nb.mp4,y\nc.mp4,z\n', {}, "unexpected end of data"),
        (
            "path\na.mp4\nb.mp4\na.wav\n",
            {},
            "clips number 1, 3 are all called 'a': give them names in a column clip_id",
        ),
        ("path,clip_id\na.mp4,x\nb.mp4,x\n", {}, "clips number 1, 2 are all called 'x'"),
        ("path,split\na.mp4,train\nb.mp4,later\n", {}, "clip number 2: split is 'later'; known: train, val, test"),
        ("path,face_side\na.mp4,up\n", {}, "face_side is 'up'; known: left, right"),
        ("path,valence\na.mp4,high\n", {}, "clip number 1: valence is 'high', which is no number"),
        ("path,end_s\na.mp4,inf\n", {}, "end_s is 'inf'"),
        ("path,start_s,end_s\na.mp4,2,1\n", {}, "clip number 1 cannot last from 2 s to 1 s"),
        ("path,start_s\na.mp4,-1\n", {}, "cannot last from -1 s"),
    ],
)
def test_a_broken_table_says_where(text: str, options: dict, words: str, tmp_path: Path):
    assert words in refused(table(tmp_path, text), **options)


def test_a_table_that_is_not_there_or_no_text(tmp_path: Path):
    table(tmp_path, "path\na.mp4\n", "meta.csv")
    assert "clips.csv; tables there: meta.csv; `options.csv` names it" in refused(tmp_path)
    assert len(rows(tmp_path, csv="meta.csv")) == 1
    (tmp_path / "clips.csv").write_text("path,label\nä.mp4,x\n", encoding="latin-1")
    assert "cannot be read as UTF-8 text" in refused(tmp_path)
    (tmp_path / "clips.csv").write_text("path\na.mp4\n", encoding="utf-16")
    assert "cannot be read as UTF-8 text" in refused(tmp_path)
    for root in (tmp_path / "nowhere", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(CorpusError, match=re.escape(str(root))):
            find(root, {})


def test_subsets_by_any_of_their_names(tmp_path: Path):
    names = ["train", "Training", "val", "valid", "VALIDATION", "dev", "development", "test", "Testing", ""]
    text = "path,split\n" + "".join(f"{n:02d}.mp4,{name}\n" for n, name in enumerate(names))
    got = rows(table(tmp_path, text))["split"].fillna("").tolist()
    assert got == ["train"] * 2 + ["val"] * 5 + ["test"] * 2 + [""]


def test_rows_without_label_or_speaker_are_counted(tmp_path: Path):
    found = find(table(tmp_path, "path,label,speaker\na.mp4,x,s\nb.mp4,,s\nc.mp4,,\n"), {})
    assert len(found.clips) == 3
    assert found.clips["label_intended"].isna().tolist() == [False, True, True]
    assert found.notes == ("2 clips have no label in clips.csv", "1 clips have no speaker in clips.csv")


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    odd_media.good_mp4(folder, "talk.mp4", seconds=1)
    (folder / "voice.wav").write_bytes(small_crema_d.sound(300, 0.5))
    (folder / "talk.tsv").write_text("word\tstart_s\tend_s\nwell\t0.1\t0.3\nthen\t0.3\t0.4\n")
    return folder


def scanned(root: Path, results: Path):
    manifest = scan("mine", root, {}, kind="folder", results=Results(results))
    return manifest, manifest.clips.set_index("clip_id")


def test_scan_of_segments_audio_and_words(media: Path, tmp_path: Path):
    root = tmp_path / "mine"
    shutil.copytree(media, root)
    text = (
        "path,clip_id,start_s,end_s,audio,words,transcript\n"
        "talk.mp4,one,0,0.4,,talk.tsv,well then\n"
        "talk.mp4,two,0.4,0.9,,,\n"
        "talk.mp4,dubbed,,,voice.wav,gone.tsv,\n"
        "voice.wav,voice,,,,,\n"
        "talk.mp4,late,7,8,,,\n"
    )
    manifest, clips = scanned(table(root, text), tmp_path / "results")
    assert manifest.corpus == "mine"
    assert clips.loc[["one", "two"], "duration_s"].tolist() == pytest.approx([0.4, 0.5])
    assert clips.loc["one", "video_sha256"] == clips.loc["two", "video_sha256"]
    assert clips.loc["dubbed", "audio_path"] == "voice.wav"
    assert clips.loc["dubbed", "video_path"] == "talk.mp4"
    assert clips.loc["voice", ["has_audio", "has_video"]].tolist() == [True, False]
    assert clips["has_text"].to_dict() == {"one": True, "two": False, "dubbed": False, "voice": False}
    assert [word.text for word in read_words(root / clips.loc["one", "words_path"])] == ["well", "then"]
    assert {(s.clip_id, s.path): s.reason for s in manifest.skipped} == {
        ("dubbed", "gone.tsv"): "the clip is kept, its word times are not: the file is missing",
        ("late", "talk.mp4"): "the clip begins at 7 s, where the file has ended",
    }
    assert not any("expects" in line for line in manifest.summary)


def test_what_cannot_be_used_is_a_row_with_a_reason(media: Path, tmp_path: Path):
    root = tmp_path / "mine"
    shutil.copytree(media, root)
    (tmp_path / "outside.mp4").write_bytes((media / "talk.mp4").read_bytes())
    (root / "text.mp4").write_text("no film")
    (root / "empty.mp4").touch()
    (root / "film.mp4").mkdir()
    (root / "link.mp4").symlink_to(tmp_path / "outside.mp4")
    reasons = {
        "../outside.mp4": "the path leaves the corpus folder",
        f"{tmp_path}/outside.mp4": "the path leaves the corpus folder",
        "link.mp4": "a link that leads out of the corpus folder",
        "gone.mp4": "the file is missing",
        "text.mp4": "cannot be opened as media",
        "empty.mp4": "the file is empty (0 bytes)",
        "film.mp4": "not a regular file",
    }
    lines = [f"{path},c{number}" for number, path in enumerate(reasons)]
    table(root, "\n".join(["path,clip_id", "talk.mp4,good", "talk.mp4,no/name", *lines]) + "\n")
    manifest, clips = scanned(root, tmp_path / "results")
    assert clips.index.tolist() == ["good"]
    got = {skip.path: skip.reason for skip in manifest.skipped}
    assert got.pop("talk.mp4") == "the clip id holds a slash or control characters"
    assert set(got) == set(reasons)
    for path, words in reasons.items():
        assert words in got[path]
    table(root, "path\ngone.mp4\n")
    with pytest.raises(CorpusError, match=r"no usable clip.*gone\.mp4: the file is missing"):
        scanned(root, tmp_path / "results")


def test_its_card_takes_the_labels_of_the_clips(tmp_path: Path, monkeypatch):
    settings = {"root": "data", "shards": 1}
    config = Config(
        corpora={"mine": {"kind": "folder", **settings}, "synthetic": settings}, features={}, experiments=[]
    )
    monkeypatch.chdir(tmp_path)
    assert (CARD.labels, dict(CARD.counts)) == ((), {})
    assert card_of(config, "mine").labels == ()
    for name in ("a.wav", "b.wav", "c.wav"):
        (table(tmp_path / "data", "path,label\na.wav,sad\nb.wav,Glad\nc.wav,\n") / name).write_bytes(
            small_crema_d.sound()
        )
    write_manifest(scan("mine", tmp_path / "data", {}, kind="folder"))
    card = card_of(config, "mine")
    assert (card.name, card.labels, dict(card.label_names)) == ("mine", ("Glad", "sad"), {"Glad": "Glad", "sad": "sad"})
    assert card_of(config, "synthetic").labels[:2] == ("ANG", "DIS")
