import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from support import small_crema_d as small

from affectstore.corpora.base import CORPORA
from affectstore.corpora.crema_d import CARD, find
from affectstore.errors import CorpusError
from affectstore.paths import Results
from affectstore.preflight import hashes
from affectstore.preflight.scan import (
    MANIFEST_COLUMNS,
    check_found,
    read_manifest,
    scan,
    write_manifest,
)

A, B, C = "1001_DFA_ANG_XX", "1001_IEO_HAP_HI", "1002_TSI_NEU_XX"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    small.write_media(folder, [A, B, C])
    small.write_list(folder, [A, B, C])
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Results:
    return Results(tmp_path / "results")


def why(manifest) -> dict[str, str]:
    return {skip.path: skip.reason for skip in manifest.skipped}


def test_manifest(root: Path, results: Results):
    manifest = scan("crema-d", root, {}, results=results)
    clips = manifest.clips.set_index("clip_id")
    assert list(manifest.clips.columns) == list(MANIFEST_COLUMNS)
    assert clips.index.tolist() == [A, B, C]
    for clip_id, row in clips.iterrows():
        content = (root / "AudioWAV" / f"{clip_id}.wav").read_bytes()
        assert row["audio_sha256"] == hashlib.sha256(content).hexdigest()
    assert clips["video_sha256"].isna().all()
    assert clips["has_audio"].all()
    assert clips["has_text"].all()
    assert not clips["has_video"].any()
    assert clips["duration_s"].tolist() == pytest.approx([0.1] * 3)
    assert (manifest.absent, manifest.skipped) == (0, ())
    assert manifest.summary[0] == "3 clips of 2 speakers, 0 s"
    assert "3 clips without video" in manifest.summary


def test_written_manifest_reads_back_and_is_left_alone(root: Path, results: Results):
    manifest = scan("crema-d", root, {}, results=results)
    assert write_manifest(manifest, results)
    path = results.manifest("crema-d")
    pd.testing.assert_frame_equal(read_manifest(path), manifest.clips)
    before = path.read_bytes()
    for file in (path, path.with_suffix(".skipped.tsv")):
        os.utime(file, ns=(1, 1))
    again = scan("crema-d", root, {}, results=results)
    assert not write_manifest(again, results)
    assert path.stat().st_mtime_ns == path.with_suffix(".skipped.tsv").stat().st_mtime_ns == 1
    assert path.with_suffix(".skipped.tsv").read_text() == "clip_id\tpath\treason\n"
    (root / "AudioWAV" / f"{A}.wav").write_bytes(small.sound(999))
    assert write_manifest(scan("crema-d", root, {}, results=results), results)
    assert path.read_bytes() != before


def test_manifest_does_not_depend_on_where_and_in_which_order(root: Path, tmp_path: Path):
    other = tmp_path / "elsewhere"
    for name in (C, A, B):
        (other / "AudioWAV").mkdir(parents=True, exist_ok=True)
        (other / "AudioWAV" / f"{name}.wav").write_bytes((root / "AudioWAV" / f"{name}.wav").read_bytes())
    small.write_list(other, [B, C, A])
    contents = []
    for folder, jobs in ((root, 1), (other, 3)):
        results = Results(tmp_path / f"results{jobs}")
        write_manifest(scan("crema-d", folder, {}, results=results, jobs=jobs), results)
        contents.append(results.manifest("crema-d").read_bytes())
    assert contents[0] == contents[1]


def test_unusable_media_are_rows_with_reasons(root: Path, results: Results, tmp_path: Path):
    folder = root / "AudioWAV"
    names = [f"1003_{sentence}_SAD_XX" for sentence in ("DFA", "ITH", "ITS", "IWL", "TAI")]
    small.write_list(root, [A, B, C, *names])
    outside = tmp_path / "outside.wav"
    outside.write_bytes(small.sound())
    (folder / f"{names[0]}.wav").write_bytes(b"")
    (folder / f"{names[1]}.wav").write_text("this was never a sound\n" * 50)
    (folder / f"{names[2]}.wav").symlink_to(outside)
    (folder / f"{names[3]}.wav").symlink_to(folder / "nowhere.wav")
    (folder / f"{names[4]}.wav").mkdir()
    manifest = scan("crema-d", root, {}, results=results)
    assert manifest.clips["clip_id"].tolist() == [A, B, C]
    reasons = why(manifest)
    assert reasons[f"AudioWAV/{names[0]}.wav"] == "the file is empty (0 bytes)"
    assert reasons[f"AudioWAV/{names[1]}.wav"].startswith("cannot be opened as media")
    assert reasons[f"AudioWAV/{names[2]}.wav"] == "a link that leads out of the corpus folder"
    assert reasons[f"AudioWAV/{names[3]}.wav"] == "the file is missing"
    assert reasons[f"AudioWAV/{names[4]}.wav"] == "not a regular file"
    write_manifest(manifest, results)
    table = pd.read_csv(results.skipped("crema-d"), sep="\t")
    assert table["clip_id"].tolist() == sorted(names)
    assert scan("crema-d", root, {}, results=results).skipped == manifest.skipped


def test_no_permission_is_a_reason_and_is_asked_again(root: Path, results: Results, monkeypatch):
    real = hashes.digest_file

    def refuse(path: Path) -> str:
        if path.stem == B:
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(hashes, "digest_file", refuse)
    for _ in range(2):
        manifest = scan("crema-d", root, {}, results=results)
        assert why(manifest) == {f"AudioWAV/{B}.wav": "no permission to read the file"}
    monkeypatch.setattr(hashes, "digest_file", real)
    assert scan("crema-d", root, {}, results=results).skipped == ()


def test_one_bad_file_of_two_takes_the_clip_out_once(root: Path, results: Results):
    small.write_media(root, [A, B, C], "VideoFlash", ".flv")
    (root / "VideoFlash" / f"{B}.flv").write_bytes(b"")
    manifest = scan("crema-d", root, {}, results=results)
    assert manifest.clips["clip_id"].tolist() == [A, C]
    assert why(manifest) == {f"VideoFlash/{B}.flv": "the file is empty (0 bytes)"}
    # sounds under a video's name: the clip stays, without a picture
    assert manifest.clips["has_video"].tolist() == [False, False]
    assert manifest.clips["video_sha256"].notna().all()


def test_no_usable_clip_stops_with_the_first_reasons(root: Path, results: Results):
    for path in (root / "AudioWAV").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CorpusError, match=rf"no usable clip .* 3 left out .*{A}.wav: the file is empty"):
        scan("crema-d", root, {}, results=results)


def test_a_folder_that_leads_out_of_the_corpus_stops(root: Path, results: Results, tmp_path: Path):
    (root / "AudioWAV").rename(tmp_path / "sounds")
    (root / "AudioWAV").symlink_to(tmp_path / "sounds")
    with pytest.raises(CorpusError, match="outside of the corpus folder"):
        scan("crema-d", root, {}, results=results)


def test_the_corpus_folder_and_links_inside_it_are_fine(root: Path, results: Results, tmp_path: Path):
    (root / "objects").mkdir()
    (root / "AudioWAV" / f"{A}.wav").rename(root / "objects" / "1")
    (root / "AudioWAV" / f"{A}.wav").symlink_to("../objects/1")
    link = tmp_path / "link"
    link.symlink_to(root)
    manifest = scan("crema-d", link, {}, results=results)
    assert manifest.clips["clip_id"].tolist() == [A, B, C]
    assert manifest.skipped == ()


@pytest.mark.parametrize("path", ["../outside.wav", "/etc/passwd", "AudioWAV/../../x.wav", "a\tb.wav"])
def test_a_path_that_leaves_the_root_is_refused(root: Path, results: Results, monkeypatch, path: str):
    def find_elsewhere(folder, options):
        found = find(folder, options)
        paths = found.clips["audio_path"].mask(found.clips["clip_id"] == B, path)
        return replace(found, clips=found.clips.assign(audio_path=paths))

    monkeypatch.setattr(CORPORA.load("crema-d"), "find", find_elsewhere)
    manifest = scan("crema-d", root, {}, results=results)
    assert manifest.clips["clip_id"].tolist() == [A, C]
    assert [skip.clip_id for skip in manifest.skipped] == [B]
    assert "\t" not in manifest.skipped[0].path


def test_the_table_of_a_corpus_is_checked(root: Path):
    clips = find(root, {}).clips
    check_found(clips, CARD)
    for wrong, message in (
        (clips.drop(columns="text"), "CLIP_COLUMNS"),
        (pd.concat([clips, clips.iloc[:1]], ignore_index=True), f"{A}' occurs more than once"),
        (clips.assign(label_audio="JOY").astype({"label_audio": "string"}), "label_audio 'JOY'; known: ANG, DIS"),
    ):
        with pytest.raises(CorpusError, match=message):
            check_found(wrong, CARD)


def test_a_complete_corpus_is_counted_against_its_card(root: Path, results: Results, monkeypatch):
    expected = {"clips": 3, "speakers": 91, "label:ANG": 1, "label:SAD": 7, "level:XX": 2}
    monkeypatch.setattr(CORPORA.load("crema-d"), "CARD", replace(CARD, counts=expected))
    summary = scan("crema-d", root, {}, results=results).summary
    assert [line for line in summary if "card" in line] == [
        "the card expects 91 of speakers, found 2",
        "the card expects 7 of label:SAD, found 0",
    ]


def test_a_missing_manifest_says_how_to_get_it(results: Results):
    with pytest.raises(CorpusError, match="affectstore scan crema-d"):
        read_manifest(results.manifest("crema-d"))


@pytest.mark.realdata
def test_the_real_clips(results: Results):
    data = os.environ.get("AFFECTSTORE_DATA")
    if not data:
        pytest.skip("AFFECTSTORE_DATA does not say where the real clips are")
    manifest = scan("crema-d", Path(data) / "crema-d", {}, results=results)
    assert manifest.skipped == ()
    assert manifest.clips[["has_audio", "has_video", "has_text"]].all(axis=None)
    assert manifest.clips["duration_s"].between(1.2, 5.1).all()
    sums = dict(line.split("  ")[::-1] for line in (Path(data) / "crema-d/SHA256SUMS").read_text().splitlines())
    assert manifest.clips["video_sha256"].tolist() == [sums[path] for path in manifest.clips["video_path"]]
