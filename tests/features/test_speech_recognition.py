"""Transcripts by speech recognition, with models made here."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support import extraction
from support.tiny_models import tiny_bert, tiny_ctc, tiny_whisper

from affectstore.errors import ClipError, ConfigError
from affectstore.features.base import build
from affectstore.features.text import _speech_recognizer
from affectstore.media.words import Word
from affectstore.store.clip_arrays import ClipArrays

pytestmark = pytest.mark.usefixtures("own_cache")
LETTERS = "THE|DOGS|AREN'T|SITTING"


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, list[str]]:
    """Create a recogniser, int16 samples at 16 kHz, and the letter that it recognises in each of their frames."""
    rng = np.random.default_rng(0)
    frames = ["", ""]
    for letter in LETTERS:
        frames += [letter] * int(rng.integers(1, 4)) + [""] * int(rng.integers(1, 3))
    samples = (rng.standard_normal(len(frames) * 320 + 80) * 3000).astype(np.int16)
    folder = tiny_ctc(tmp_path_factory.mktemp("ctc") / "letters", samples.astype(np.float32) / 32768, frames)
    return folder, samples, frames


def spoken(frames: list[str]) -> list[tuple[str, float, float]]:
    """Read words with start and end off the frames."""
    words: list[list[int]] = [[]]
    for number, said in enumerate(frames):
        if said == "|":
            words += [[]] * (frames[number - 1] != "|")
        elif said:
            words[-1].append(number)
    texts = "".join(said for said, _ in itertools.groupby(frames)).lower().split("|")
    return [(text, word[0] / 50, (word[-1] + 1) / 50) for text, word in zip(texts, words, strict=True)]


def recognised(
    folder: Path, samples: np.ndarray, rate_hz: int = 16000, start: Fraction = Fraction(0), **options
) -> ClipArrays:
    extractor = build("transcript", {"source": "asr", "model": str(folder), **options})
    return extraction.of_samples(extractor, samples, rate_hz, start)


def test_ctc_words_and_times(ctc: tuple[Path, np.ndarray, list[str]]):
    folder, samples, frames = ctc
    given = recognised(folder, samples)
    assert given.arrays["values"].tolist() == ["the", "dogs", "aren't", "sitting"]
    assert extraction.spans(given) == spoken(frames)
    later = recognised(folder, samples, start=Fraction(1, 4))
    np.testing.assert_allclose(later.arrays["times"], given.arrays["times"] + 0.25)
    np.testing.assert_allclose(later.arrays["ends"], given.arrays["ends"] + 0.25)
    steps = recognised(folder, samples, steps=["expand_contractions"])
    assert steps.arrays["values"].tolist() == ["THE", "DOGS", "ARE", "NOT", "SITTING"]


def test_long_sound_is_recognised_in_pieces(ctc: tuple[Path, np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch):
    folder, samples, frames = ctc
    monkeypatch.setattr(_speech_recognizer, "_CTC_PIECE_S", 0.6)
    assert len(samples) > 2 * 0.6 * 16000
    assert extraction.spans(recognised(folder, samples)) == spoken(frames)


def test_the_sound_is_resampled(ctc: tuple[Path, np.ndarray, list[str]], tmp_path: Path):
    import soxr

    _, _, frames = ctc
    rng = np.random.default_rng(1)
    fine = (rng.standard_normal(3 * (len(frames) * 320 + 80)) * 3000).astype(np.int16)
    folder = tiny_ctc(tmp_path / "fine", soxr.resample(fine.astype(np.float32) / 32768, 48000, 16000), frames)
    assert extraction.spans(recognised(folder, fine, 48000)) == spoken(frames)


def test_the_recogniser_is_recorded_without_paths(ctc: tuple[Path, np.ndarray, list[str]]):
    folder, samples, _ = ctc
    extractor = build("transcript", {"source": "asr", "model": str(folder)})
    digest = extractor.weights_digest()
    source = recognised(folder, samples).arrays["source"].tolist()
    assert source == [f"asr:letters@{digest[:12]}"]


def test_a_sound_without_words_fails_with_a_reason(tmp_path: Path):
    samples = (np.random.default_rng(2).standard_normal(5 * 320 + 80) * 3000).astype(np.int16)
    folder = tiny_ctc(tmp_path / "deaf", samples.astype(np.float32) / 32768, [""] * 5)
    with pytest.raises(ClipError, match=r"asr:deaf@\w{12} recognised nothing in 0\.10 s of sound"):
        recognised(folder, samples)
    with pytest.raises(ClipError, match=r"the sound of 0\.025 s is too short for the speech recogniser"):
        recognised(folder, samples[:399])
    with pytest.raises(ClipError, match="the sound has no samples"):
        recognised(folder, samples[:0])


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(24000) * 3000).astype(np.int16)


@pytest.mark.parametrize("word_times", [True, False])
def test_whisper(tmp_path: Path, speech: np.ndarray, word_times: bool):
    folder = tiny_whisper(tmp_path / "w", speech.astype(np.float32) / 32768, "hello there", word_times=word_times)
    given = recognised(folder, speech, start=Fraction(1, 2))
    assert given.arrays["values"].tolist() == ["hello", "there"]
    times, ends = given.arrays["times"], given.arrays["ends"]
    if word_times:
        edges = np.stack([times, ends], axis=1).ravel()
        assert (np.diff(edges) >= 0).all()
        assert edges[0] >= 0.5
        assert edges[-1] <= 2
        assert ends[-1] > times[0]
    else:
        assert np.isnan(times).all()
        assert np.isnan(ends).all()
    again = recognised(folder, speech, start=Fraction(1, 2))
    np.testing.assert_array_equal(again.arrays["times"], times)


def test_word_times_stay_inside_the_sound():
    """Clip the times that Whisper may return: unknown, out of order, beyond the end."""
    from affectstore.features.audio._waveform import Waveform

    sound = Waveform(np.zeros(16000, np.float32), 16000, Fraction(1))
    chunks = [
        {"text": " one", "timestamp": (0.2, 0.4)},
        {"text": " ", "timestamp": (0.4, 0.5)},
        {"text": " two’s", "timestamp": (0.1, 0.15)},
        {"text": " three", "timestamp": (0.9, 29.98)},
        {"text": " four", "timestamp": (30.0, None)},
    ]
    words = _speech_recognizer._timed(chunks, sound)
    assert words == (Word("one", 1.2, 1.4), Word("two's", 1.2, 1.2), Word("three", 1.9, 2), Word("four", 2, 2))


def test_models_that_recognise_nothing_are_refused(tmp_path: Path, speech: np.ndarray):
    folder = tiny_bert(tmp_path / "bert")
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"BertModel recognises no speech; known: models with a CTC head"):
        recognised(folder, speech)
    with pytest.raises(ConfigError, match=r"'facebook/wav2vec2-base-960h' \(revision 22aad52d.*is not on this machine"):
        _missing(tmp_path)


def _missing(folder: Path) -> None:
    from huggingface_hub import constants

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        build("transcript", {"source": "asr"}).weights_digest()
