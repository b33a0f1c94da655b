"""Decoding of audio: samples, segments, gaps, channels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import odd_media

from affectstore.errors import ClipError
from affectstore.media.decode_audio import decode_audio, to_int16

RATE = odd_media.RATE_HZ


def test_pcm_is_kept_to_the_bit(folder: Path):
    path = odd_media.good_wav(folder)
    sound = decode_audio(path)
    expected = np.frombuffer(path.read_bytes()[-2 * odd_media.SECONDS * RATE :], dtype="<i2")
    np.testing.assert_array_equal(sound.samples, expected)
    assert (sound.start, sound.rate_hz, sound.samples.dtype) == (0, RATE, np.int16)


@pytest.mark.parametrize("codec", ["pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_u8", "flac"])
def test_every_sample_type_has_the_same_scale(folder: Path, codec: str):
    suffix = "flac" if codec == "flac" else "wav"
    sound = decode_audio(odd_media.good_wav(folder, f"{codec}.{suffix}", codec=codec))
    reference = decode_audio(odd_media.good_wav(folder)).samples
    assert sound.samples.dtype == np.int16
    step = 256 if codec == "pcm_u8" else 1
    assert np.abs(sound.samples.astype(int) - reference).max() <= step


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (np.array([-1.0, 0.0, 0.5, 1.0, 7.0, 0.6 / 32768], dtype=np.float32), [-32768, 0, 16384, 32767, 32767, 1]),
        (np.array([0, 128, 255], dtype=np.uint8), [-32768, 0, 32512]),
        (np.array([-(2**31), 0, 2**31 - 1, 98304], dtype=np.int32), [-32768, 0, 32767, 2]),
        (np.array([-32768, 5], dtype=np.int16), [-32768, 5]),
    ],
)
def test_int16_by_hand(samples: np.ndarray, expected: list[int]):
    assert to_int16(samples).tolist() == expected


def test_channels(folder: Path):
    path = odd_media.stereo(folder)
    left, right, mix = (decode_audio(path, channel=channel).samples for channel in ("left", "right", "mix"))
    np.testing.assert_array_equal(left, decode_audio(odd_media.good_wav(folder)).samples)
    assert not right.any()
    np.testing.assert_array_equal(mix, np.rint(left / 2))
    np.testing.assert_array_equal(decode_audio(path, channel=0).samples, left)
    planar = decode_audio(odd_media.stereo(folder, "stereo.flac", "flac"))
    assert np.abs(planar.samples.astype(int) - mix).max() <= 1
    with pytest.raises(ClipError, match="no channel 2: its sound has 2"):
        decode_audio(path, channel=2)
    with pytest.raises(ClipError, match="no channel 'right': its sound has 1"):
        decode_audio(odd_media.good_wav(folder), channel="right")


@pytest.mark.parametrize(("start", "end"), [("0.5", "1.25"), ("0", "0.00001"), ("0.33333", None), ("1.9", "2.1")])
def test_a_segment_is_the_samples_whose_time_lies_in_it(folder: Path, start: str, end: str | None):
    path = odd_media.good_wav(folder)
    whole = decode_audio(path).samples
    first, last = Fraction(start), None if end is None else Fraction(end)
    sound = decode_audio(path, first, last)
    times = [Fraction(k, RATE) for k in range(len(whole))]
    inside = [k for k, time in enumerate(times) if time >= first and (last is None or time < last)]
    np.testing.assert_array_equal(sound.samples, whole[inside])
    assert sound.start == times[inside[0]] - first


@pytest.mark.parametrize("container", ["mp4", "mkv", "wav", "flv"])
def test_a_late_segment_is_that_of_the_whole(folder: Path, container: str):
    """After a seek the decoder starts in the middle of the stream; its first blocks must be dropped."""
    name = f"long.{container}"
    path = {
        "mp4": lambda: odd_media.good_mp4(folder, name, 12),
        "mkv": lambda: odd_media.good_mp4(folder, name, 12),
        "wav": lambda: odd_media.good_wav(folder, name, 12),
        "flv": lambda: odd_media.good_flv(folder, name, 12),
    }[container]()
    whole = decode_audio(path)
    begin = Fraction(19, 2)
    part = decode_audio(path, begin, Fraction(11))
    first = round((part.start + begin - whole.start) * whole.rate_hz)
    np.testing.assert_array_equal(part.samples, whole.samples[first : first + len(part.samples)])
    assert len(part.samples) in {int(1.5 * whole.rate_hz), int(1.5 * whole.rate_hz) + 1}


def test_a_segment_beyond_the_sound_is_refused(folder: Path):
    path = odd_media.good_wav(folder)
    with pytest.raises(ClipError, match=r"no sound between 3\.000 and 4\.000 s; the sound spans 0\.000 to 2\.000 s"):
        decode_audio(path, Fraction(3), Fraction(4))
    with pytest.raises(ClipError, match=r"sound ends at 2\.000 s, the clip at 3\.000 s"):
        decode_audio(path, Fraction(1), Fraction(3))


def test_sound_starts_where_the_container_says(folder: Path):
    sound = decode_audio(odd_media.late_audio(folder))
    assert sound.start == Fraction(1, 2)
    np.testing.assert_array_equal(sound.samples, decode_audio(odd_media.good_wav(folder)).samples)


def test_a_gap_is_silent_and_later_sound_keeps_its_time(folder: Path):
    sound = decode_audio(odd_media.audio_gap(folder))
    assert len(sound.samples) == 4 * RATE
    gap = slice(int(0.8 * RATE), int(1.2 * RATE))
    assert not sound.samples[gap].any()
    expected = decode_audio(odd_media.good_wav(folder, "four.wav", 4)).samples
    np.testing.assert_array_equal(sound.samples[gap.stop :], expected[gap.stop :])


def test_a_long_gap_is_damage(folder: Path):
    path = odd_media.audio_gap(folder, 0.8, 2.5)
    with pytest.raises(ClipError, match=r"no sound between 0\.800 and 2\.500 s"):
        decode_audio(path)
    assert len(decode_audio(path, Fraction(3)).samples) == RATE  # ... of another clip


def test_first_of_several_sounds(folder: Path):
    sound = decode_audio(odd_media.several_streams(folder))
    np.testing.assert_array_equal(sound.samples, decode_audio(odd_media.good_wav(folder)).samples)


def test_silence_is_sound(folder: Path):
    sound = decode_audio(odd_media.silence(folder))
    assert len(sound.samples) == 2 * RATE
    assert not sound.samples.any()


def test_bytes_behind_the_data_are_not_sound(folder: Path):
    np.testing.assert_array_equal(
        decode_audio(odd_media.trailing_bytes(folder)).samples, decode_audio(odd_media.good_wav(folder)).samples
    )


def test_a_name_that_is_not_utf8(folder: Path):
    try:
        path = odd_media.unprintable_name(folder)
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    assert len(decode_audio(path).samples) == 2 * RATE
