"""Contract of an extractor: declaration, arrays as declared, reasons instead of values where a clip has none."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from affectstore.errors import ClipError, NotApplicable
from affectstore.features.base import BaseExtractor, Clip, Media, Source
from affectstore.store.clip_arrays import ClipArrays
from affectstore.testing.declaration import DeclarationContract
from affectstore.timeline import Grid

RATE_HZ = 16000


def check_arrays(extractor: BaseExtractor, extracted: ClipArrays) -> None:
    """Assert that extracted arrays have the names, types, shapes and times that the extractor declares."""
    specs = {spec.name: spec for spec in extractor.arrays()}
    assert list(specs) == list(extracted.arrays)
    for name, array in extracted.arrays.items():
        spec = specs[name]
        assert array.dtype == spec.numpy_dtype, f"{name} is {array.dtype}, declared as {spec.numpy_dtype}"
        assert array.shape == (extracted.rows if spec.granularity == "row" else 1, *spec.shape), name
        assert len(spec.dims) == array.ndim, name
        assert array.dtype.kind != "f" or spec.allow_nan or np.isfinite(array).all(), f"{name} is not finite"
    assert extracted.grid is not None or "times" in extracted.arrays


def noise_clip(seconds: float = 1.0, seed: int = 0) -> Clip:
    """Make a clip of noise, for extractors that read the feature `audio`."""
    samples = np.random.default_rng(seed).integers(-3000, 3000, round(seconds * RATE_HZ), dtype=np.int16)
    return Clip("clip", Media(), {"audio": ClipArrays({"values": samples}, Grid(Fraction(0), Fraction(RATE_HZ)))})


class ExtractorContract(DeclarationContract):
    """Tests of an extractor: inherit it, and set `member` to the extractor's module.

        class TestMyExtractor(ExtractorContract):
            member = my_extractor

    Extractors that read other features than `audio`, or media, override `clips`, too.

    Attributes:
        member: Module with `SPEC`, `Options` and `Extractor`.
        options: Options that the tests use.
    """

    @pytest.fixture
    def extractor(self, declared: Any, small_options: Any) -> BaseExtractor:
        """The extractor; those that it reads have their default options."""
        from affectstore.features.base import build

        needs = small_options.spec_for(declared.SPEC).needs
        extractor: BaseExtractor = declared.Extractor(small_options, {need: build(need) for need in needs})
        return extractor

    @pytest.fixture
    def clips(self, declared: Any) -> Sequence[Clip]:
        """Two clips of different length that the feature exists for; by default noise, as the feature `audio`."""
        assert declared.SPEC.needs == ("audio",), "override `clips`: this extractor does not read `audio` alone"
        return noise_clip(1.0), noise_clip(1.5, seed=1)

    @pytest.fixture(params=["missing", "empty", "not_media"])
    def bad_file(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """A file that cannot be decoded."""
        path = tmp_path / f"{request.param}.mp4"
        if request.param == "empty":
            path.touch()
        elif request.param == "not_media":
            path.write_text("this was never a video\n" * 100)
        return path

    def test_the_spec_names_its_inputs(self, declared: Any) -> None:
        """`SPEC` has the name of the file, and names everything that the extractor reads."""
        spec = declared.SPEC
        assert spec.name == declared.__name__.rpartition(".")[2]
        assert spec.media or spec.needs or spec.columns
        assert set(spec.media) <= {"audio", "video", "words"}
        assert set(spec.columns) <= {"text", "face_side"}
        assert declared.__doc__

    def test_values_come_first_among_the_arrays(self, extractor: BaseExtractor) -> None:
        """The first array is `values`, and each array has an axis for rows."""
        first, *others = extractor.arrays()
        assert first.name == "values"
        assert "values" not in {array.name for array in others}
        assert all(len(array.dims) == 1 + len(array.shape) for array in (first, *others))

    def test_arrays_are_as_declared(self, extractor: BaseExtractor, clips: Sequence[Clip]) -> None:
        """Arrays have the declared names, types, shapes and times."""
        for clip in clips:
            check_arrays(extractor, extractor.extract(clip))

    def test_a_clip_depends_on_no_other(self, extractor: BaseExtractor, clips: Sequence[Clip]) -> None:
        """Arrays of a clip depend neither on the clips before nor on its name."""
        first = extractor.extract(clips[0])
        extractor.extract(clips[1])
        renamed = Clip("other", clips[0].media, clips[0].upstream, clips[0].text, clips[0].face_side)
        again = extractor.extract(renamed)
        assert again.grid == first.grid
        for name, array in first.arrays.items():
            np.testing.assert_array_equal(again.arrays[name], array, strict=True)

    def test_a_clip_without_the_file_is_not_applicable(self, declared: Any, extractor: BaseExtractor) -> None:
        """Extractors that decode media raise NotApplicable where the corpus has no file."""
        if {"audio", "video"} & set(declared.SPEC.media):
            with pytest.raises(NotApplicable, match=r"the clip has no (audio|video) file"):
                extractor.extract(Clip("clip", Media()))

    def test_a_bad_file_gives_a_reason(self, declared: Any, extractor: BaseExtractor, bad_file: Path) -> None:
        """Extractors that decode media raise ClipError with the name of the file."""
        if {"audio", "video"} & set(declared.SPEC.media):
            with pytest.raises(ClipError) as caught:
                extractor.extract(Clip("clip", Media(Source(bad_file), Source(bad_file))))
            assert bad_file.name in str(caught.value)
            assert not isinstance(caught.value, NotApplicable)
