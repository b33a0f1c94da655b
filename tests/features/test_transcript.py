from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import extraction
from support.tiny_models import tiny_bert, tiny_ctc, tiny_whisper

from affectstore.errors import ClipError, ConfigError, NotApplicable
from affectstore.features.base import EXTRACTORS, Clip, Media, build
from affectstore.features.text import _recogniser
from affectstore.features.text._contractions import expand
from affectstore.features.text._steps import STEPS, normalised
from affectstore.features.text._tokens import mark, tokenise
from affectstore.media.words import Word
from affectstore.store.clip_arrays import ClipArrays

SEED_003 = (
    "refuse_only_noise",
    "drop_garbage",
    "expand_contractions",
    "lower_case",
    "sentence_tokens",
    "silence_token",
    "laughter_token",
    "breathing_token",
)
ALIGNED = (
    ("<s>", 0, 41),
    ("<sil>", 41, 60),
    ("THAT'S", 60, 96),
    ("++GARBAGE++", 96, 100),
    ("SO(2)", 100, 130),
    ("++LAUGHTER++", 130, 160),
    ("I'VE", 160, 190),
    ("++BREATHING++", 190, 200),
    ("DOCTOR'S", 200, 250),
    ("</s>", 250, 260),
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def aligned(folder: Path, rows: tuple[tuple[str, int, int], ...] = ALIGNED) -> Path:
    path = folder / "a.wdseg"
    lines = [f"\t{start:5d} {end - 1:5d} {-100:10d} {word}\n" for word, start, end in rows]
    path.write_text("\t SFrm  EFrm    SegAScr Word\n" + "".join(lines) + " Total score:      -1000\n")
    return path


def of_text(text: str, **options) -> list[str]:
    given = extraction.extract("transcript", None, {"source": "text", **options}, text=text)
    assert np.isnan(given.arrays["times"]).all()
    assert np.isnan(given.arrays["ends"]).all()
    assert given.arrays["source"].tolist() == ["text"]
    return given.arrays["values"].tolist()


def spans(given: ClipArrays) -> list[tuple[str, float, float]]:
    arrays = given.arrays
    return list(
        zip(arrays["values"].tolist(), arrays["times"].round(6).tolist(), arrays["ends"].round(6).tolist(), strict=True)
    )


def test_plain_words_of_a_text():
    assert of_text("Don't forget a jacket.") == ["don't", "forget", "a", "jacket"]
    assert of_text("[LAUGHTER]Well,I -- I mean... “it’s eleven o’clock” [FALSE START] so-called/50% --") == (
        ["well", "i", "i", "mean", "it's", "eleven", "o'clock", "so-called", "50"]
    )
    assert of_text("  Get 'em, at 10:30!\n") == ["get", "'em", "at", "10:30"]
    assert of_text("Él dijo: ¿qué?  नमस्ते।") == ["él", "dijo", "qué", "नमस्ते"]
    assert of_text("Well, [LAUGHTER] I’m SO--", steps=[]) == ["Well,", "[LAUGHTER]", "I'm", "SO--"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a [BREATHING][LAUGHTER]b", ["a", "[BREATHING]", "[LAUGHTER]", "b"]),
        ("<s> <sil> GOD ++LAUGHTER++ </s>", ["<s>", "<sil>", "GOD", "++LAUGHTER++", "</s>"]),
        ("1 < 2 > c++ [] [ x ]", ["1", "<", "2", ">", "c++", "[]", "[", "x", "]"]),
    ],
)
def test_tokens(text: str, tokens: list[str]):
    assert [word.text for word in tokenise(text)] == tokens


@pytest.mark.parametrize(
    ("written", "expanded"),
    [
        ("That's", "That is"),
        ("I've", "I have"),
        ("I'M", "I AM"),
        ("WON'T,", "WILL NOT,"),
        ("can't", "cannot"),
        ("shouldn't've", "should not have"),
        ("I'd've", "I would have"),
        ("he'd", "he would"),
        ("how'd", "how did"),
        ("they're", "they are"),
        ("'that's'", "'that is'"),
        ("'em", "them"),
        ("Let's", "Let us"),
        ("gonna", "going to"),
        ("nobody'll", "nobody will"),
        ("doctor's", "doctor's"),
        ("John's", "John's"),
        ("o'clock", "o'clock"),
        ("goin'", "goin'"),
        ("'", "'"),
        ("n't", "n't"),
        ("'s", "'s"),
        ("ma'am", "ma'am"),
        ("--", "--"),
        ("cant", "cant"),
    ],
)
def test_contractions(written: str, expanded: str):
    assert " ".join(expand(written)) == expanded
    assert of_text(f"a {written} b", steps=["expand_contractions"]) == ["a", *expanded.split(), "b"]


def test_an_alignment_gives_words_and_times(tmp_path: Path):
    given = extraction.extract("transcript", None, words=aligned(tmp_path), text="something else")
    assert given.arrays["source"].tolist() == ["alignment"]
    assert spans(given) == [("that's", 0.6, 0.96), ("so", 1.0, 1.3), ("i've", 1.6, 1.9), ("doctor's", 2.0, 2.5)]


def test_normalisation_of_seed_003(tmp_path: Path):
    given = extraction.extract("transcript", None, {"steps": SEED_003}, words=aligned(tmp_path))
    assert spans(given) == [
        ("[CLS]", 0, 0.41),
        ("<sil>", 0.41, 0.6),
        ("that", 0.6, 0.84),  # 4 of 6 letters of 0.36 s
        ("is", 0.84, 0.96),
        ("so", 1.0, 1.3),
        ("++LAUGHTER++", 1.3, 1.6),
        ("i", 1.6, 1.66),
        ("have", 1.66, 1.9),
        ("++BREATHING++", 1.9, 2.0),
        ("doctor's", 2.0, 2.5),
        ("[SEP]", 2.5, 2.6),
    ]
    written = of_text("That's so [LAUGHTER] I've [breathing] a [GARBAGE] doctor's", steps=SEED_003)
    assert written == ["that", "is", "so", "++LAUGHTER++", "i", "have", "++BREATHING++", "a", "doctor's"]


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        (("strip_marks",), "THAT'S SO I'VE DOCTOR'S"),
        (("strip_other_marks",), "<sil> THAT'S SO ++LAUGHTER++ I'VE ++BREATHING++ DOCTOR'S"),
        (("sentence_tokens", "strip_marks"), "THAT'S SO I'VE DOCTOR'S"),
        (("drop_sentence_marks", "drop_garbage"), "<sil> THAT'S SO ++LAUGHTER++ I'VE ++BREATHING++ DOCTOR'S"),
        (
            ("lower_case", "strip_punctuation"),
            "<s> <sil> that's ++GARBAGE++ so ++LAUGHTER++ i've ++BREATHING++ doctor's </s>",
        ),
    ],
)
def test_steps_on_marks(tmp_path: Path, steps: tuple[str, ...], kept: str):
    given = extraction.extract("transcript", None, {"steps": steps}, words=aligned(tmp_path))
    assert " ".join(given.arrays["values"].tolist()) == kept


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("<s> ++BREATHING++ </s>", True),
        ("[GARBAGE] [BREATHING]", True),
        ("<s> <sil> </s>", True),
        ("[LAUGHTER]", False),
        ("[BREATHING] oh", False),
    ],
)
def test_only_noise_is_refused(text: str, refused: bool):
    if refused:
        with pytest.raises(ClipError, match="no word and no laughter in the transcript: "):
            of_text(text, steps=SEED_003)
    else:
        assert of_text(text, steps=SEED_003)


def test_nothing_left_fails_with_the_words_that_were_there():
    with pytest.raises(ClipError, match=r"no word is left of the text: '\[LAUGHTER\] --'"):
        of_text("[LAUGHTER] --")
    with pytest.raises(ClipError, match=r"no word is left of the text: ''"):
        of_text("  ")


def test_what_the_corpus_lacks_is_not_applicable(tmp_path: Path):
    empty = Clip("clip", Media())
    for source, reason in (
        ("corpus", "no text and no file of word times"),
        ("text", "no text"),
        ("alignment", "no file of word times"),
    ):
        with pytest.raises(NotApplicable, match=f"the clip has {reason}; source: asr"):
            build("transcript", {"source": source}).extract(empty)
    only_text = Clip("clip", Media(), text="well")
    assert build("transcript").extract(only_text).rows == 1
    with pytest.raises(NotApplicable):
        build("transcript", {"source": "alignment"}).extract(only_text)
    only_words = Clip("clip", Media(words=aligned(tmp_path)))
    with pytest.raises(NotApplicable):
        build("transcript", {"source": "text"}).extract(only_words)


def test_a_damaged_alignment_is_no_reason_to_guess(tmp_path: Path):
    path = aligned(tmp_path)
    path.write_text(path.read_text()[:120])
    with pytest.raises(ClipError, match=r"a\.wdseg, line "):
        extraction.extract("transcript", None, words=path, text="the text that the corpus has too")


def test_options_narrow_what_it_reads():
    module = EXTRACTORS.load("transcript")
    read = {
        source: (spec.media, spec.fields, spec.needs)
        for source in ("corpus", "alignment", "text", "asr")
        for spec in [module.Options(source=source).narrowed(module.SPEC)]
    }
    assert read == {
        "corpus": (("words",), ("text",), ()),
        "alignment": (("words",), (), ()),
        "text": ((), ("text",), ()),
        "asr": ((), (), ("audio",)),
    }
    assert module.Options().narrowed(module.SPEC) == module.SPEC
    assert build("transcript").weights_digest() is None


def test_an_unknown_step_lists_the_known():
    with pytest.raises(ValueError, match=r"unknown step 'lowercase'; known: .*Did you mean 'lower_case'"):
        build("transcript", {"steps": ["lowercase"]})


WORD_TEXTS = st.one_of(
    st.sampled_from(
        "that's I've WON'T shouldn't've gonna, 'em well-- a--b yes,no don't... doctor's <s> </s> <sil> ++LAUGHTER++ "  # noqa: SIM905
        "[BREATHING] ++GARBAGE++ [COUGH] 'quoted' -- '".split()
    ),
    st.text(st.characters(exclude_categories=["Cs", "Zs", "Zl", "Zp", "Cc"]), min_size=1, max_size=8),
)


@st.composite
def timed_words(draw: st.DrawFn) -> tuple[Word, ...]:
    words, now = [], 0.0
    for text in draw(st.lists(WORD_TEXTS, min_size=1, max_size=8)):
        now += draw(st.sampled_from([0, 0.01, 0.5]))
        end = now + draw(st.integers(0, 200)) / 100
        words.append(Word(text, now, end))
        now = end
    return tuple(words)


@given(words=timed_words(), name=st.sampled_from(sorted(set(STEPS) - {"refuse_only_noise"})))
def test_a_step_twice_is_a_step_once(words: tuple[Word, ...], name: str):
    once = STEPS[name](words)
    assert STEPS[name](once) == once


@given(words=timed_words(), names=st.lists(st.sampled_from(sorted(set(STEPS) - {"refuse_only_noise"})), max_size=5))
def test_steps_keep_words_in_their_spans(words: tuple[Word, ...], names: list[str]):
    done = normalised(words, names)
    assert all(word.text for word in done)
    assert all(word.start_s <= word.end_s for word in done)
    assert all(one.end_s <= other.start_s for one, other in itertools.pairwise(done))
    for word in done:
        assert any(before.start_s <= word.start_s and word.end_s <= before.end_s for before in words)


@given(
    text=WORD_TEXTS,
    start=st.floats(0, 1e4),
    length=st.floats(0, 100),
    name=st.sampled_from(["expand_contractions", "strip_punctuation"]),
)
def test_parts_of_a_word_partition_its_span(text: str, start: float, length: float, name: str):
    word = Word(text, start, start + length)
    parts = STEPS[name]((word,))
    if not parts:
        return
    assert parts[0].start_s == word.start_s
    assert parts[-1].end_s == word.end_s
    assert all(one.end_s == other.start_s for one, other in itertools.pairwise(parts))
    assert all(part.start_s <= part.end_s for part in parts)
    if mark(text) is None and length > 1e-3:
        letters = np.cumsum([len(part.text) for part in parts]) / sum(len(part.text) for part in parts)
        np.testing.assert_allclose([(part.end_s - start) / length for part in parts], letters, atol=1e-6)


# Speech recognition, on models made here.

LETTERS = "THE|DOGS|AREN'T|SITTING"


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, list[str]]:
    """A recogniser, int16 samples at 16 kHz, and what it says in each frame of them."""
    rng = np.random.default_rng(0)
    frames = ["", ""]
    for letter in LETTERS:
        frames += [letter] * int(rng.integers(1, 4)) + [""] * int(rng.integers(1, 3))
    samples = (rng.standard_normal(len(frames) * 320 + 80) * 3000).astype(np.int16)
    folder = tiny_ctc(tmp_path_factory.mktemp("ctc") / "letters", samples.astype(np.float32) / 32768, frames)
    return folder, samples, frames


def spoken(frames: list[str]) -> list[tuple[str, float, float]]:
    """Words, where each begins and where it ends, read off the frames."""
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
    return extractor.extract(Clip("clip", Media(), {"audio": extraction.sound(samples, rate_hz, start)}))


def test_ctc_words_and_times(ctc: tuple[Path, np.ndarray, list[str]]):
    folder, samples, frames = ctc
    given = recognised(folder, samples)
    assert given.arrays["values"].tolist() == ["the", "dogs", "aren't", "sitting"]
    assert spans(given) == spoken(frames)
    later = recognised(folder, samples, start=Fraction(1, 4))
    np.testing.assert_allclose(later.arrays["times"], given.arrays["times"] + 0.25)
    np.testing.assert_allclose(later.arrays["ends"], given.arrays["ends"] + 0.25)
    steps = recognised(folder, samples, steps=["expand_contractions"])
    assert steps.arrays["values"].tolist() == ["THE", "DOGS", "ARE", "NOT", "SITTING"]


def test_long_sound_is_recognised_in_pieces(ctc: tuple[Path, np.ndarray, list[str]], monkeypatch: pytest.MonkeyPatch):
    folder, samples, frames = ctc
    monkeypatch.setattr(_recogniser, "_CTC_PIECE_S", 0.6)
    assert len(samples) > 2 * 0.6 * 16000
    assert spans(recognised(folder, samples)) == spoken(frames)


def test_the_sound_is_resampled(ctc: tuple[Path, np.ndarray, list[str]], tmp_path: Path):
    import soxr

    _, _, frames = ctc
    rng = np.random.default_rng(1)
    fine = (rng.standard_normal(3 * (len(frames) * 320 + 80)) * 3000).astype(np.int16)
    folder = tiny_ctc(tmp_path / "fine", soxr.resample(fine.astype(np.float32) / 32768, 48000, 16000), frames)
    assert spans(recognised(folder, fine, 48000)) == spoken(frames)


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
def heard() -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(24000) * 3000).astype(np.int16)


@pytest.mark.parametrize("word_times", [True, False])
def test_whisper(tmp_path: Path, heard: np.ndarray, word_times: bool):
    folder = tiny_whisper(tmp_path / "w", heard.astype(np.float32) / 32768, "hello there", word_times=word_times)
    given = recognised(folder, heard, start=Fraction(1, 2))
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
    again = recognised(folder, heard, start=Fraction(1, 2))
    np.testing.assert_array_equal(again.arrays["times"], times)


def test_word_times_stay_inside_the_sound():
    """What Whisper's times may be: unknown, behind one another, beyond the end."""
    from affectstore.features.audio._sound import Sound

    sound = Sound(np.zeros(16000, np.float32), 16000, Fraction(1))
    chunks = [
        {"text": " one", "timestamp": (0.2, 0.4)},
        {"text": " ", "timestamp": (0.4, 0.5)},
        {"text": " two’s", "timestamp": (0.1, 0.15)},
        {"text": " three", "timestamp": (0.9, 29.98)},
        {"text": " four", "timestamp": (30.0, None)},
    ]
    words = _recogniser._timed(chunks, sound)
    assert words == (Word("one", 1.2, 1.4), Word("two's", 1.2, 1.2), Word("three", 1.9, 2), Word("four", 2, 2))


def test_models_that_recognise_nothing_are_refused(tmp_path: Path, heard: np.ndarray):
    folder = tiny_bert(tmp_path / "bert")
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"BertModel recognises no speech; known: models with a CTC head"):
        recognised(folder, heard)
    with pytest.raises(ConfigError, match=r"'facebook/wav2vec2-base-960h' \(revision 22aad52d.*is not on this machine"):
        _missing(tmp_path)


def _missing(folder: Path) -> None:
    from huggingface_hub import constants

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
        build("transcript", {"source": "asr"}).weights_digest()


def test_golden():
    """Bump SPEC.version where this changes."""
    assert EXTRACTORS.load("transcript").SPEC.version == 1
    text = "Oh-- [LAUGHTER] it's, uh... “I’d've gone,” 3.5 times/day; <sil> y'all?"
    assert of_text(text) == ["oh", "it's", "uh", "i'd've", "gone", "3.5", "times", "day", "y'all"]
    steps = ("strip_punctuation", "expand_contractions", "laughter_token", "silence_token", "lower_case")
    assert of_text(text, steps=steps) == (
        "oh ++LAUGHTER++ it is uh i would have gone 3.5 times day <sil> you all".split()  # noqa: SIM905
    )
