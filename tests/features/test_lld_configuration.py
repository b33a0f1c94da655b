"""openSMILE's configuration for low-level descriptors: packaged, changed and refused."""

from __future__ import annotations

import functools
import gc
from pathlib import Path

import opensmile
import pydantic
import pytest
from support.extraction import of_samples
from support.voice import voiced

from affectstore.errors import ConfigError
from affectstore.features.audio._opensmile import Windows, set_windows
from affectstore.features.audio.lld import SPEC
from affectstore.features.base import BaseExtractor, build
from affectstore.features.extract import provenance
from affectstore.features.keys import FeatureInstance

SEED_002 = {"window_ms": 32, "step_ms": 16}
COMPARE = opensmile.FeatureSet.ComParE_2016


@pytest.fixture(scope="module")
def lld() -> BaseExtractor:
    return build("lld")


@pytest.fixture(scope="module")
def seed_002() -> BaseExtractor:
    return build("lld", SEED_002)


def test_explicit_defaults_are_the_packaged_configuration(lld: BaseExtractor):
    written = build("lld", {"window_ms": 20.0, "step_ms": 10})
    assert written.attributes() == lld.attributes()
    assert written.attributes()["changes"] == []


def test_one_engine_serves_all_clips(monkeypatch: pytest.MonkeyPatch):
    made = []
    original = opensmile.Smile.__init__

    @functools.wraps(original)  # opensmile looks at its own signature
    def counted(self, *arguments, **named):
        made.append(self)
        original(self, *arguments, **named)

    monkeypatch.setattr(opensmile.Smile, "__init__", counted)
    extractor = build("lld")
    for _ in range(3):
        of_samples(extractor, voiced(0.1))
    assert extractor.arrays()
    assert len(made) == 1


def test_the_changed_configuration_goes_with_its_extractor():
    extractor = build("lld", SEED_002)
    path = Path(extractor.arrays() and extractor._engine.smile.config_path)
    assert path.is_file()
    packaged = Path(opensmile.Smile(COMPARE, "lld").config_path)
    assert packaged.parent not in path.parents
    of_samples(extractor, voiced(0.1))
    del extractor
    gc.collect()
    assert not path.parents[1].exists()


def test_attributes_say_what_was_changed(seed_002: BaseExtractor):
    notes = seed_002.attributes()
    assert notes["changes"] == [
        {"setting": "is13_frame25.frameSize", "packaged": "0.020", "changed": "0.032"},
        {"setting": "is13_frame25.frameStep", "packaged": "0.010", "changed": "0.016"},
        {"setting": "is13_frame60.frameStep", "packaged": "0.010", "changed": "0.016"},
    ]
    assert (notes["window_ms"], notes["step_ms"], notes["pitch_window_ms"]) == (32, 16, 60)
    assert [name.split("_sma")[0] for name in notes["pitch_window_columns"]] == [
        "F0final",
        "voicingFinalUnclipped",
        "jitterLocal",
        "jitterDDP",
        "shimmerLocal",
        "logHNR",
        "pcm_zcr",
    ]
    assert "14 ms later" in notes["time"]
    written = provenance(FeatureInstance("lld", SPEC, seed_002, {"audio": "audio"}, "digest", "zarr"))
    assert written["notes"] == notes
    assert "opensmile" in written["libraries"]


@pytest.mark.parametrize(
    "text", ["", "[is13_frame25:cFramer]\nframeSize = 0.020\n[other:cFramer]\nframeStep = 0.010\n"]
)
def test_another_configuration_is_refused(text: str):
    with pytest.raises(ConfigError, match=r"opensmile .* with 0 settings frame(Size|Step) of is13_frame(25|60)"):
        set_windows(text, Windows.of_ms(32, 16))


@pytest.mark.parametrize(
    "options",
    [
        {"voice_deltas": "regression"},
        {"step_ms": 21},
        {"window_ms": 61},
        {"window_ms": 60, "step_ms": 41},
        {"window_ms": 4},
        {"step_ms": 0},
    ],
)
def test_impossible_windows(options: dict):
    with pytest.raises(pydantic.ValidationError):
        build("lld", options)
