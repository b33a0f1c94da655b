"""Decoding of video: frames, their times, the middle one, orientation and colour."""

from __future__ import annotations

import itertools
import subprocess
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from hypothesis import given
from hypothesis import strategies as st
from support import odd_media

from affectstore.errors import ClipError
from affectstore.media.decode_video import TimedFrame, middle_frame, shown_rows, timed_frames, to_array
from affectstore.timeline import rows_covering


def array(timed: TimedFrame, **options) -> np.ndarray:
    return to_array(timed.frame, VideoReformatter(), **options)


def by_ffmpeg(path: Path, size: tuple[int, int], pixels: str = "gray") -> np.ndarray:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-fps_mode", "passthrough"]
    out = subprocess.run([*command, "-pix_fmt", pixels, "-f", "rawvideo", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(out, np.uint8).reshape(-1, size[1], size[0])


def test_every_frame_with_its_time(folder: Path):
    path = odd_media.good_mp4(folder)
    shown = list(timed_frames(path))
    assert [timed.start for timed in shown] == [Fraction(k, 25) for k in range(50)]
    assert [timed.end for timed in shown] == [Fraction(k + 1, 25) for k in range(50)]
    decoded = np.stack([array(timed, colour="grayscale") for timed in shown])
    assert np.abs(decoded.astype(int) - by_ffmpeg(path, (160, 120))).max() <= 1


def test_an_flv_begins_when_its_first_frame_does(folder: Path):
    shown = list(timed_frames(odd_media.good_flv(folder)))
    assert len(shown) == 50
    assert shown[0].start == Fraction(25, 1000)
    assert all(one.end == other.start for one, other in itertools.pairwise(shown))


def test_variable_rate_shows_each_frame_until_the_next(folder: Path):
    shown = list(timed_frames(odd_media.variable_rate(folder)))
    assert [float(timed.start) for timed in shown] == pytest.approx(
        [k / 25 for k in range(20)] + [k / 25 for k in range(20, 50, 5)]
    )
    assert shown[-1].end - shown[-1].start <= Fraction(1, 5)


@pytest.mark.parametrize("maker", ["good_mp4", "good_flv", "variable_rate", "data_first", "several_streams"])
@pytest.mark.parametrize("segment", [(0, None), (Fraction(1, 2), Fraction(3, 2)), (Fraction(71, 100), None)])
def test_the_middle_is_that_of_all(folder: Path, maker: str, segment: tuple):
    path = getattr(odd_media, maker)(folder)
    shown = list(timed_frames(path, *segment))
    middle = middle_frame(path, *segment)
    expected = shown[len(shown) // 2]
    assert (middle.start, middle.end) == (expected.start, expected.end)
    np.testing.assert_array_equal(array(middle), array(expected))


@pytest.mark.parametrize("suffix", ["avi", "webm"])
def test_the_middle_where_packets_do_not_tell(folder: Path, suffix: str):
    codecs = {"avi": ("mpeg4", "libmp3lame"), "webm": ("libvpx", "libvorbis")}[suffix]
    path = odd_media.good_mp4(folder, f"hidden.{suffix}", vcodec=codecs[0], acodec=codecs[1], ar=44100)
    shown = list(timed_frames(path))
    assert len(shown) == 50
    assert middle_frame(path).start == shown[25].start


def test_the_middle_does_not_decode_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from affectstore.media.stream import MediaStream

    fed = []
    decode = MediaStream.decode
    monkeypatch.setattr(MediaStream, "decode", lambda self, packet, *rest: fed.append(1) or decode(self, packet, *rest))
    middle_frame(odd_media.good_mp4(folder))
    assert len(fed) <= 15  # key frames stand every 10; B-frames reach a little further


def test_a_segment_begins_and_ends_where_it_says(folder: Path):
    path = odd_media.good_mp4(folder)
    start, end = Fraction("0.5"), Fraction("1.013")
    shown = list(timed_frames(path, start, end))
    assert shown[0].start == 0
    assert shown[0].end == Fraction(13, 25) - start  # the frame of 0.48 s is still on screen
    assert shown[-1].end == end - start
    whole = list(timed_frames(path))
    np.testing.assert_array_equal(array(shown[0]), array(whole[12]))
    np.testing.assert_array_equal(array(shown[-1]), array(whole[25]))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi", "flv"])
def test_a_late_segment_is_that_of_the_whole(folder: Path, suffix: str):
    name = f"late.{suffix}"
    sound = {"acodec": "libmp3lame", "ar": 44100}
    path = {
        "mp4": lambda: odd_media.good_mp4(folder, name, 12),
        "mkv": lambda: odd_media.good_mp4(folder, name, 12),
        "avi": lambda: odd_media.good_mp4(folder, name, 12, vcodec="mpeg4", **sound),
        "flv": lambda: odd_media.good_flv(folder, name, 12),
    }[suffix]()
    start, end = Fraction("9.51"), Fraction("10.4")
    whole = [timed for timed in timed_frames(path) if timed.end > start and timed.start < end]
    part = list(timed_frames(path, start, end))
    assert [timed.end + start for timed in part[:-1]] == [timed.end for timed in whole[:-1]]
    for one, other in zip(part, whole, strict=True):
        np.testing.assert_array_equal(array(one), array(other))
    middle = middle_frame(path, start, end)
    assert middle.start == part[len(part) // 2].start


def test_a_segment_beyond_the_picture_is_refused(folder: Path):
    path = odd_media.good_mp4(folder)
    with pytest.raises(ClipError, match="shows no picture"):
        list(timed_frames(path, Fraction(3), Fraction(4)))
    with pytest.raises(ClipError, match=r"picture ends at 2\.000 s, the clip at 3\.000 s"):
        list(timed_frames(path, Fraction(1), Fraction(3)))


@pytest.mark.parametrize(("degrees", "mirror"), [(90, False), (180, False), (270, False), (90, True), (0, True)])
def test_the_picture_is_upright(folder: Path, degrees: int, mirror: bool):
    path = odd_media.rotated(folder, degrees, mirror)
    upright = array(next(iter(timed_frames(path))), colour="grayscale")
    height, width = upright.shape
    assert (width, height) == ((120, 160) if degrees % 180 else (160, 120))
    assert np.abs(upright.astype(int) - by_ffmpeg(path, (width, height))[0]).max() <= 1
    assert array(middle_frame(path), size_px=64).shape == (64, 64, 3)


def test_odd_sizes(folder: Path):
    timed = next(iter(timed_frames(odd_media.odd_size(folder))))
    assert array(timed).shape == (241, 321, 3)
    assert array(timed, size_px=224).shape == (224, 224, 3)
    assert array(timed, size_px=33, colour="grayscale").shape == (33, 33)


@pytest.mark.parametrize(("colorspace", "range_"), [("bt709", "tv"), ("smpte170m", "tv"), ("bt709", "pc")])
def test_colours_follow_the_stated_matrix_and_range(folder: Path, colorspace: str, range_: str):
    """A uniform colour is decoded correctly from every matrix and range."""
    path = folder / f"{colorspace}_{range_}.mp4"
    plain = odd_media.ffmpeg.input("color=0xC86432:size=64x64:rate=25:duration=0.2", f="lavfi").filter("format", "gbrp")
    plain = plain.filter("scale", out_color_matrix=colorspace, out_range=range_).filter("format", "yuv420p")
    odd_media.run(
        odd_media.ffmpeg.output(plain, str(path), vcodec="libx264", crf=1, colorspace=colorspace, color_range=range_)
    )
    timed = next(iter(timed_frames(path)))
    for size_px in (None, 32):
        assert np.abs(array(timed, size_px=size_px).astype(int) - (0xC8, 0x64, 0x32)).max() <= 4


@given(
    st.lists(st.integers(1, 900), min_size=1, max_size=60),
    st.integers(0, 5000),
    st.fractions(min_value=1, max_value=60, max_denominator=1001),
)
def test_a_row_shows_what_is_on_screen_where_it_begins(steps_ms: list[int], start_ms: int, rate: Fraction):
    edges = [Fraction(start_ms + sum(steps_ms[:k]), 1000) for k in range(len(steps_ms) + 1)]
    shown = [TimedFrame(k, edges[k], edges[k + 1]) for k in range(len(steps_ms))]
    rows = [timed.frame for timed, count in shown_rows(shown, rate) for _ in range(count)]
    assert len(rows) == rows_covering(edges[-1] - edges[0], rate)
    for row, frame in enumerate(rows):
        assert edges[frame] <= edges[0] + row / rate < edges[frame + 1]
