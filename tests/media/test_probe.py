"""Probing: streams and durations of media files."""

from pathlib import Path

import pytest
from support import odd_media
from support import small_crema_d as small

from affectstore.media.probe import Probe, probe


def test_sound_and_picture(tmp_path: Path):
    found = probe(odd_media.good_mp4(tmp_path))
    assert (found.has_audio, found.has_video, found.problem) == (True, True, "")
    assert found.audio_s == pytest.approx(2, abs=0.03)
    assert found.video_s == pytest.approx(2, abs=1e-6)


def test_lengths_that_the_container_does_not_say(tmp_path: Path):
    found = probe(odd_media.data_first(tmp_path))
    assert found.audio_s == pytest.approx(2, abs=0.06)
    assert found.video_s == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(("make", "streams"), [("no_audio", (False, True)), ("no_video", (True, False))])
def test_one_stream(tmp_path: Path, make: str, streams: tuple[bool, bool]):
    found = probe(getattr(odd_media, make)(tmp_path))
    assert (found.has_audio, found.has_video) == streams
    assert found.problem == ""
    assert 0.0 in (found.audio_s, found.video_s)


def test_a_cover_is_no_video(tmp_path: Path):
    found = probe(odd_media.cover_only(tmp_path))
    assert (found.has_audio, found.has_video) == (True, False)


def test_a_wav_is_as_long_as_its_samples(tmp_path: Path):
    path = tmp_path / "a.wav"
    path.write_bytes(small.sound(seconds=1.234))
    assert probe(path) == Probe(True, False, 1.234, 0.0)
    path.write_bytes(small.sound(seconds=1.234)[: 44 + 8000])  # half a second is left
    assert probe(path).audio_s == pytest.approx(0.5)


def test_a_cut_file_is_as_long_as_what_is_left(tmp_path: Path):
    found = probe(odd_media.truncated(odd_media.good_flv(tmp_path)))
    assert found.problem == ""
    assert 0.3 < found.video_s < 1.8


def test_what_cannot_be_used_has_a_reason(tmp_path: Path):
    mp4 = odd_media.good_mp4(tmp_path, movflags="0")
    for path, word in (
        (odd_media.empty(tmp_path), "empty"),
        (odd_media.not_media(tmp_path), "cannot be opened as media"),
        (odd_media.truncated(mp4), "cannot be opened as media"),  # its index stood at the end
        (tmp_path / "nowhere.flv", "missing"),
        (tmp_path, "folder"),
    ):
        found = probe(path)
        assert word in found.problem
        assert not found.has_audio
        assert not found.has_video


def test_a_container_without_streams_has_a_reason(tmp_path: Path):
    path = tmp_path / "header.wav"
    path.write_bytes(small.sound()[:44])
    assert probe(path).problem


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch):
    (tmp_path / "http:").mkdir()
    (tmp_path / "http:" / "a.wav").write_bytes(small.sound())
    monkeypatch.chdir(tmp_path)
    assert probe(Path("http:/a.wav")).has_audio
