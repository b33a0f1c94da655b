"""Bad media files: decoding ends in a ClipError that names the file and its fault."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
from support import odd_media

from affectstore.errors import ClipError
from affectstore.media.decode_audio import decode_audio
from affectstore.media.decode_video import middle_frame, timed_frames


def count_frames(path: Path) -> int:
    return len(list(timed_frames(path)))


def refuse(path: Path, *readers, match: str) -> None:
    for reader in readers:
        with pytest.raises(ClipError, match=match) as caught:
            reader(path)
        assert path.name in str(caught.value)


def test_missing(folder: Path):
    refuse(folder / "nothing.flv", decode_audio, count_frames, middle_frame, match="No such file")


def test_a_folder(folder: Path):
    (folder / "folder.flv").mkdir()
    refuse(folder / "folder.flv", decode_audio, count_frames, match="Is a directory")


def test_unreadable(folder: Path):
    path = odd_media.good_wav(folder, "locked.wav")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    refuse(path, decode_audio, match="Permission denied")


def test_empty(folder: Path):
    refuse(odd_media.empty(folder), decode_audio, count_frames, middle_frame, match="empty")


def test_not_media(folder: Path):
    refuse(odd_media.not_media(folder), decode_audio, count_frames, match="not readable as media")


def test_a_playlist_opens_nothing(folder: Path):
    target = odd_media.good_wav(folder)
    path = folder / "list.wav"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:1/{target.name}\n#EXT-X-ENDLIST\n")
    refuse(path, decode_audio, match="not readable|no audio|damaged|cannot be read")


def test_no_such_stream(folder: Path):
    refuse(odd_media.no_audio(folder), decode_audio, match="no audio stream; its streams: video")
    refuse(odd_media.no_video(folder), count_frames, middle_frame, match="no video stream; its streams: audio")
    refuse(odd_media.cover_only(folder), count_frames, middle_frame, match="no video stream")
    assert len(decode_audio(odd_media.cover_only(folder)).samples)


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.8])
@pytest.mark.parametrize("maker", ["good_flv", "good_mp4", "good_wav"])
def test_truncated(folder: Path, maker: str, keep: float):
    path = odd_media.truncated(getattr(odd_media, maker)(folder, f"{keep}_{maker}.{maker[-3:]}"), keep)
    readers = (decode_audio,) if maker == "good_wav" else (decode_audio, count_frames, middle_frame)
    refuse(path, *readers, match="truncated|damaged")


def test_truncated_between_packets(folder: Path):
    """Every packet of such a file is intact; only its header shows that some are missing."""
    source = odd_media.good_flv(folder, "tags.flv")
    data, position, begins = source.read_bytes(), 13, []
    while position < len(data):
        begins.append(position)
        position += 15 + int.from_bytes(data[position + 1 : position + 4], "big")
    path = folder / "cut_between.flv"
    path.write_bytes(data[: begins[len(begins) // 2]])
    refuse(path, decode_audio, count_frames, middle_frame, match=r"truncated: its header says 2\.\d+ s, the data end")


def test_a_truncated_wav_says_how_much_is_missing(folder: Path):
    path = odd_media.truncated(odd_media.good_wav(folder, "cut.wav"), 0.5)
    refuse(path, decode_audio, match=r"truncated: 3\d{4} bytes")


@pytest.mark.parametrize("length", [600, 6000])
@pytest.mark.parametrize("maker", ["good_flv", "good_mp4"])
def test_corrupt_middle(folder: Path, maker: str, length: int):
    source = getattr(odd_media, maker)(folder, f"{length}_{maker}.{maker[-3:]}")
    path = odd_media.corrupt_middle(source, length)
    reasons = []
    for reader in (decode_audio, count_frames):
        try:
            reader(path)
        except ClipError as error:
            reasons.append(str(error))
    assert reasons  # a few bytes may lie in the picture alone
    assert all("damaged" in reason or "truncated" in reason for reason in reasons)


def test_damage_is_told_with_its_time(folder: Path):
    path = odd_media.corrupt_middle(odd_media.good_mp4(folder, "timed.mp4"))
    with pytest.raises(ClipError, match=r"the sound is damaged at \d\.\d{3} s") as caught:
        decode_audio(path)
    at_s = float(str(caught.value).split(" at ")[1].split(" s")[0])
    assert 0.5 < at_s < 1.5


def test_damage_outside_the_segment_is_another_clips(folder: Path):
    path = odd_media.corrupt_middle(odd_media.good_mp4(folder, "other.mp4"))
    assert len(list(timed_frames(path, Fraction(0), Fraction("0.4")))) == 10
    assert len(list(timed_frames(path, Fraction("1.6")))) == 10


def test_good_files_after_bad_ones(folder: Path):
    """Messages of a library about one file do not count against the next."""
    good = odd_media.good_mp4(folder)
    before = decode_audio(good).samples
    for bad in (odd_media.corrupt_middle(good), odd_media.truncated(good)):
        with pytest.raises(ClipError):
            count_frames(bad)
        assert count_frames(good) == 50
        assert (decode_audio(good).samples == before).all()
