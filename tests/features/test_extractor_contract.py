"""What every file of the folder keeps; a new one is tested by being there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydantic
import pytest
from support import extraction, odd_media
from support.python import print_of

from affectstore.errors import ClipError, NotApplicable, UnknownNameError
from affectstore.features.base import EXTRACTORS, Clip, Media, build

NAMES = EXTRACTORS.names()
DECODING = tuple(name for name in NAMES if {"audio", "video"} & set(EXTRACTORS.load(name).SPEC.media))


@pytest.mark.parametrize("name", NAMES)
def test_declaration(name: str):
    module = EXTRACTORS.load(name)
    spec = module.SPEC
    assert spec.name == name
    assert spec.version >= 1
    assert spec.summary
    assert spec.media or spec.needs or spec.fields
    assert set(spec.needs) <= set(NAMES)
    assert set(spec.media) <= {"audio", "video", "words"}
    assert set(spec.fields) <= {"text", "face_side"}
    assert module.__doc__
    assert all(field.description for field in module.Options.model_fields.values())
    assert module.Options.model_config["frozen"]
    first, *others = build(name).arrays()
    assert first.name == "values"
    assert "values" not in {array.name for array in others}
    assert all(len(array.dims) == 1 + len(array.shape) for array in (first, *others))


@pytest.mark.parametrize("name", NAMES)
def test_options_survive_json_and_refuse_strangers(name: str):
    options = EXTRACTORS.load(name).Options
    written = json.loads(json.dumps(options().model_dump(mode="json")))
    assert options(**written) == options()
    assert options(**written).model_dump(mode="json") == written
    with pytest.raises(pydantic.ValidationError, match="Extra inputs"):
        options(no_such_option=1)


def test_building_an_extractor_loads_no_library():
    """Planning builds them all; it must not pay for torch or librosa."""
    code = (
        "import sys; from affectstore.features.base import EXTRACTORS, build\n"
        "for name in EXTRACTORS.names(): build(name).arrays()\n"
        "print([heavy for heavy in ('torch', 'librosa', 'av', 'cv2', 'numba', 'scipy') if heavy in sys.modules])"
    )
    assert print_of(code) == "[]"


def test_an_unknown_extractor_lists_the_known():
    with pytest.raises(UnknownNameError, match=r"unknown extractor 'melt'; known: .*Did you mean 'mel'"):
        build("melt")


@pytest.mark.parametrize("name", DECODING)
def test_without_the_file_a_feature_is_not_applicable(name: str):
    with pytest.raises(NotApplicable, match=r"the clip has no (audio|video) file"):
        build(name).extract(Clip("clip", Media()))


@pytest.mark.parametrize("name", DECODING)
@pytest.mark.parametrize("maker", ["empty", "not_media", "truncated", "corrupt", "no_audio", "no_video", "missing"])
def test_bad_files_give_a_reason(folder: Path, name: str, maker: str):
    if maker in {"truncated", "corrupt"}:
        source = odd_media.good_flv(folder, f"{maker}.flv")
        path = odd_media.truncated(source) if maker == "truncated" else odd_media.corrupt_middle(source)
    elif maker == "missing":
        path = folder / "missing.flv"
    else:
        path = getattr(odd_media, maker)(folder)
    kinds = EXTRACTORS.load(name).SPEC.media
    if (maker, *kinds) in {("no_audio", "video"), ("no_video", "audio")}:
        if name != "faces":  # the test pattern has none
            assert extraction.extract(name, path).rows
        return
    with pytest.raises(ClipError) as caught:
        extraction.extract(name, path)
    assert path.name in str(caught.value)
    assert not isinstance(caught.value, NotApplicable)


@pytest.mark.parametrize("maker", ["odd_size", "variable_rate", "rotated", "data_first", "several_streams"])
def test_odd_pictures_are_pictures(folder: Path, maker: str):
    values = extraction.extract("frames", getattr(odd_media, maker)(folder), {"size_px": 48}).arrays["values"]
    assert values.shape[1:] == (48, 48, 3)
    assert values.std() > 10


def test_a_feature_of_a_clip_does_not_depend_on_the_clips_before(folder: Path):
    one, other = odd_media.good_flv(folder), odd_media.good_mp4(folder)
    for name in ("audio", "frames", "mel", "mel_image", "mel_chunks"):
        extractor = extraction.chain(name)
        first = extraction.run(extractor, extraction.both(one)).arrays["values"]
        extraction.run(extractor, extraction.both(other))
        np.testing.assert_array_equal(extraction.run(extractor, extraction.both(one)).arrays["values"], first)
