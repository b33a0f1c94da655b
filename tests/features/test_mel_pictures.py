"""mel_image and mel_chunks: images and chunks of a spectrogram."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import odd_media
from support.extraction import extract

from affectstore.errors import ClipError
from affectstore.features.audio._colormap import apply_colormap
from affectstore.features.base import Clip, Media, build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.timeline import Grid, overlap_weights

RATE = Fraction(22050, 512)
NOWHERE = Media()


def spectrogram(values: np.ndarray, start: Fraction = Fraction(0)) -> ClipArrays:
    return ClipArrays({"values": values.astype(np.float32)}, Grid(start, RATE))


def random_mel(columns: int, bands: int = 128) -> np.ndarray:
    return np.random.default_rng(columns).uniform(-80, 0, (columns, bands))


def image(mel: ClipArrays, **options) -> ClipArrays:
    return build("mel_image", options).extract(Clip("clip", NOWHERE, {"mel": mel}))


def chunks(mel: ClipArrays, frames: ClipArrays, **options) -> ClipArrays:
    return build("mel_chunks", options).extract(Clip("clip", NOWHERE, {"mel": mel, "frames": frames}))


def frames_at(count: int, start: Fraction = Fraction(0), rate: Fraction = Fraction(24)) -> ClipArrays:
    return ClipArrays({"values": np.zeros((count, 1, 1, 3), np.uint8)}, Grid(start, rate))


def test_low_frequencies_are_at_the_bottom_and_time_runs_to_the_right():
    values = np.full((100, 128), -80.0)
    values[:50, :64] = 0
    picture = image(spectrogram(values)).arrays["values"][0]
    assert picture.shape == (224, 224)
    assert (picture[113:, :111] == 255).all()
    assert (picture[:111] == 0).all()
    assert (picture[:, 113:] == 0).all()


def test_stretching_keeps_each_pixels_share():
    values = random_mel(100)
    given = image(spectrogram(values), size_px=64)
    columns = np.repeat(values, 64, axis=0).reshape(64, 100, 128).mean(axis=1)
    pixels = columns.reshape(64, 64, 2).mean(axis=2).T[::-1]
    assert np.abs(given.arrays["values"][0] - (1 + pixels / 80) * 255).max() <= 0.51
    assert given.grid.start == 0
    assert given.grid.rate == RATE / 100  # the one row spans the clip
    assert given.arrays["filled_px"].tolist() == [64]


def test_fixed_time_keeps_a_second_a_second_wide():
    columns = round(2 * RATE)
    given = image(spectrogram(np.zeros((columns, 128))), time="fixed", width_s=4)
    picture, filled = given.arrays["values"][0], int(given.arrays["filled_px"][0])
    assert filled == -(-columns * 224 // (4 * RATE))
    assert (picture[:, :filled] == 255).all()
    assert not picture[:, filled:].any()


def test_a_clip_wider_than_the_picture_is_refused():
    with pytest.raises(ClipError, match=r"lasts 2\.322 s, but the picture is 2\.0 s wide: raise width_s"):
        image(spectrogram(np.zeros((100, 128))), time="fixed", width_s=2)


@pytest.mark.parametrize("name", ["magma", "viridis", "inferno", "plasma", "cividis", "turbo"])
def test_colour_maps_are_matplotlibs(name: str):
    matplotlib = pytest.importorskip("matplotlib")
    mel = spectrogram(random_mel(30))
    grey, rgb = image(mel).arrays["values"], image(mel, colour=name).arrays["values"]
    expected = np.rint(matplotlib.colormaps[name](grey)[..., :3] * 255)
    np.testing.assert_array_equal(rgb, expected)


@settings(max_examples=40)
@given(
    st.integers(1, 120), st.integers(1, 80), st.integers(1, 6), st.sampled_from(["time", "stretch"]), st.floats(-1, 4)
)
def test_as_many_chunks_as_frames(columns: int, count: int, width: int, align: str, start: float):
    frames = frames_at(count, Fraction(start))
    given = chunks(spectrogram(random_mel(columns)), frames, width=width, align=align)
    assert given.arrays["values"].shape == (count, 128, width)
    assert given.grid == frames.grid
    assert (given.arrays["values"] <= 0).all()
    assert (given.arrays["values"] >= -80).all()


def test_a_chunk_is_what_sounds_while_its_frame_is_shown():
    values, start = random_mel(90), Fraction(-256, 22050)
    frames = frames_at(40, Fraction(27, 1000))
    given = chunks(spectrogram(values, start), frames).arrays["values"]
    for frame in (0, 11, 39):
        span = frames.grid.edge(frame), frames.grid.edge(frame + 1)
        expected = overlap_weights(Grid(start, RATE), 90, span, 4) @ values
        np.testing.assert_allclose(given[frame], expected.T, atol=0.04)  # float16 near -80


def test_a_click_is_in_the_chunk_of_its_frame():
    values = np.full((100, 128), -80.0)
    values[43] = 0
    given = chunks(spectrogram(values), frames_at(48), width=1).arrays["values"][:, 0, 0]
    touched = {int(Fraction(column) / RATE * 24) for column in (43, 44)}
    assert set(np.flatnonzero(given > -80).tolist()) == touched


def test_stretch_cuts_the_whole_into_equal_parts():
    values = random_mel(120)
    given = chunks(spectrogram(values), frames_at(30, Fraction(5)), align="stretch", width=2).arrays["values"]
    expected = values.reshape(30, 2, 2, 128).mean(axis=2).transpose(0, 2, 1)
    np.testing.assert_allclose(given, expected, atol=0.04)


def test_time_and_stretch_agree_where_sound_and_picture_do():
    mel, frames = spectrogram(random_mel(86)), frames_at(12, Fraction(0), Fraction(12) * RATE / 86)
    one, other = (chunks(mel, frames, align=align).arrays["values"] for align in ("time", "stretch"))
    np.testing.assert_array_equal(one, other)


def test_frames_with_their_own_times():
    values, times = random_mel(90), np.array([0.0, 0.04, 0.08, 0.28])
    frames = ClipArrays({"values": np.zeros((4, 1, 1, 3), np.uint8), "times": times})
    extractor = build("mel_chunks", upstream={"frames": build("frames", {"fps": "source"}), "mel": build("mel")})
    assert [spec.name for spec in extractor.arrays()] == ["values", "times"]
    given = extractor.extract(Clip("clip", NOWHERE, {"mel": spectrogram(values), "frames": frames}))
    assert given.grid is None
    np.testing.assert_array_equal(given.arrays["times"], times)
    for frame, span in enumerate([(0, 4), (4, 8), (8, 28), (28, 48)]):  # the last as long as the one before
        exact = Fraction(span[0], 100), Fraction(span[1], 100)
        expected = overlap_weights(Grid(Fraction(0), RATE), 90, exact, 4) @ values
        np.testing.assert_allclose(given.arrays["values"][frame], expected.T, atol=0.04)


def test_pictures_of_chunks():
    values = np.full((60, 128), -80.0)
    values[:, :64] = 0
    given = chunks(spectrogram(values), frames_at(20), image_px=32).arrays["values"]
    assert given.shape == (20, 32, 32)
    assert given.dtype == np.uint8
    assert (given[:, 16:] == 255).all()
    assert not given[:, :16].any()


def test_bands_follow_the_spectrogram():
    extractor = build("mel_chunks", upstream={"frames": build("frames"), "mel": build("mel", {"n_mels": 40})})
    assert extractor.arrays()[0].shape == (40, 4)


@pytest.mark.parametrize("maker", ["good_flv", "good_mp4", "variable_rate", "late_audio", "odd_size"])
@pytest.mark.parametrize("fps", [24.0, "source"])
def test_chunks_of_files(folder: Path, maker: str, fps: object):
    path = getattr(odd_media, maker)(folder)
    small = {"frames": {"size_px": 8, "fps": fps}}
    frames = extract("frames", path, small["frames"])
    given = extract("mel_chunks", path, upstream=small)
    assert given.rows == frames.rows
    assert given.grid == frames.grid


def test_chunks_of_two_lengths_and_in_colour():
    mel, frames = spectrogram(random_mel(60)), frames_at(6)
    grey = chunks(mel, frames, image_px=(32, 8), align="stretch").arrays["values"]
    assert grey.shape == (6, 32, 8)
    whole = image(mel, size_px=64, colour="magma").arrays["values"]
    magma = chunks(mel, frames, image_px=(32, 8), colour="magma").arrays["values"]
    assert magma.shape == (6, 32, 8, 3)
    assert whole.shape == (1, 64, 64, 3)
    # the colour of a level is the map's, whichever feature shows it
    levels = np.array([0.0, -80.0, -200.0])
    assert apply_colormap(levels, -80.0, "grayscale").tolist() == [255, 0, 0]
    assert apply_colormap(levels, -80.0, "magma").tolist() == [[252, 253, 191], [0, 0, 4], [0, 0, 4]]
    with pytest.raises(ValueError, match="set image_px too"):
        chunks(mel, frames, colour="magma")
