"""Every file of features/ keeps the contract of extractors; a new one is tested by being there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import extraction, odd_media
from support.python import print_of

from affectstore.errors import ClipError, NotApplicable, UnknownNameError
from affectstore.features.base import EXTRACTORS, BaseExtractor, Clip, Media, build
from affectstore.testing.extractor import ExtractorContract

NAMES = EXTRACTORS.names()
DECODING = tuple(name for name in NAMES if {"audio", "video"} & set(EXTRACTORS.load(name).SPEC.media))


#: Extractors that need weights, words or a face, which a media file made here does not have: their values are tested in
#: files of their own. All others extract from such files.
OWN_FILES = {"faces", "facenet", "vggface", "transcript", "bert"}
EXTRACTED = tuple(name for name in NAMES if name not in OWN_FILES)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the contract for every extractor, and the tests that extract for those that need nothing else."""
    if "declared" in metafunc.fixturenames:
        names = EXTRACTED if "clips" in metafunc.fixturenames else NAMES
        metafunc.parametrize("declared", [EXTRACTORS.load(name) for name in names], ids=names)


class TestExtractors(ExtractorContract):
    """Contract of all extractors."""

    @pytest.fixture
    def extractor(self, declared: Any) -> BaseExtractor:
        """The extractor with those that it reads."""
        return extraction.chain(declared.SPEC.name)

    @pytest.fixture
    def clips(self, extractor: BaseExtractor, media: tuple[Media, Media]) -> list[Clip]:
        """An flv and an mp4 file."""
        return [
            Clip("clip", one, {need: extraction.run(source, one) for need, source in extractor.upstream.items()})
            for one in media
        ]


@pytest.fixture(scope="module")
def media(folder: Path) -> tuple[Media, Media]:
    """Clips of one second and of two."""
    files = odd_media.good_flv(folder, "contract.flv", seconds=1), odd_media.good_mp4(folder, "contract.mp4")
    return extraction.both(files[0]), extraction.both(files[1])


@pytest.mark.parametrize("name", NAMES)
def test_what_an_extractor_needs_is_an_extractor(name: str):
    assert set(EXTRACTORS.load(name).SPEC.needs) <= set(NAMES)


def test_building_an_extractor_loads_no_library():
    """Build every extractor, as planning does, without importing torch or librosa."""
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
@pytest.mark.parametrize("maker", ["truncated", "corrupt", "no_audio", "no_video"])
def test_bad_files_give_a_reason(folder: Path, name: str, maker: str):
    if maker in {"truncated", "corrupt"}:
        source = odd_media.good_flv(folder, f"{maker}.flv")
        path = odd_media.truncated(source) if maker == "truncated" else odd_media.corrupt_middle(source)
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
