"""Transcripts from the corpus' alignment or text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import extraction

from affectstore.errors import ClipError, NotApplicable
from affectstore.features.base import EXTRACTORS, Clip, Media, build
from affectstore.features.text._contractions import expand

pytestmark = pytest.mark.usefixtures("own_cache")
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


def test_plain_words_of_a_text():
    assert of_text("Don't forget a jacket.") == ["don't", "forget", "a", "jacket"]
    assert of_text("[LAUGHTER]Well,I -- I mean... “it’s eleven o’clock” [FALSE START] so-called/50% --") == (
        ["well", "i", "i", "mean", "it's", "eleven", "o'clock", "so-called", "50"]
    )
    assert of_text("  Get 'em, at 10:30!\n") == ["get", "'em", "at", "10:30"]
    assert of_text("Él dijo: ¿qué?  नमस्ते।") == ["él", "dijo", "qué", "नमस्ते"]
    assert of_text("Well, [LAUGHTER] I’m SO--", steps=[]) == ["Well,", "[LAUGHTER]", "I'm", "SO--"]


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
    assert extraction.spans(given) == [
        ("that's", 0.6, 0.96),
        ("so", 1.0, 1.3),
        ("i've", 1.6, 1.9),
        ("doctor's", 2.0, 2.5),
    ]


def test_normalisation_of_seed_003(tmp_path: Path):
    given = extraction.extract("transcript", None, {"steps": SEED_003}, words=aligned(tmp_path))
    assert extraction.spans(given) == [
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
        source: (spec.media, spec.columns, spec.needs)
        for source in ("corpus", "alignment", "text", "asr")
        for spec in [module.Options(source=source).spec_for(module.SPEC)]
    }
    assert read == {
        "corpus": (("words",), ("text",), ()),
        "alignment": (("words",), (), ()),
        "text": ((), ("text",), ()),
        "asr": ((), (), ("audio",)),
    }
    assert module.Options().spec_for(module.SPEC) == module.SPEC
    assert build("transcript").weights_digest() is None


def test_an_unknown_step_lists_the_known():
    with pytest.raises(ValueError, match=r"unknown step 'lowercase'; known: .*Did you mean 'lower_case'"):
        build("transcript", {"steps": ["lowercase"]})


def test_golden():
    """Pin values of this version; increase SPEC.version with them."""
    assert EXTRACTORS.load("transcript").SPEC.version == 1
    text = "Oh-- [LAUGHTER] it's, uh... “I’d've gone,” 3.5 times/day; <sil> y'all?"
    assert of_text(text) == ["oh", "it's", "uh", "i'd've", "gone", "3.5", "times", "day", "y'all"]
    steps = ("strip_punctuation", "expand_contractions", "laughter_token", "silence_token", "lower_case")
    assert of_text(text, steps=steps) == (
        "oh ++LAUGHTER++ it is uh i would have gone 3.5 times day <sil> you all".split()  # noqa: SIM905
    )
