"""Reading of word times."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from affectstore.errors import ClipError
from affectstore.media.words import Word, read_words

HEADER = "\t SFrm  EFrm    SegAScr Word\n"
TOTAL = " Total score:     -694801\n"


def row(first: int, last: int, word: str, score: int = -17530) -> str:
    return f"\t{first:5d} {last:5d} {score:10d} {word}\n"


SPOKEN = (
    row(0, 40, "<s>")
    + row(41, 72, "WHAT(2)")
    + row(73, 132, "<sil>")
    + row(133, 146, "I'VE", -258661)
    + row(147, 156, "++LAUGHTER++")
    + row(157, 170, "</s>")
)


def written(folder: Path, content: str | bytes, name: str = "Ses01F_impro01_F000.wdseg") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_sphinx_frames_are_hundredths_of_a_second(tmp_path: Path):
    words = read_words(written(tmp_path, HEADER + SPOKEN + TOTAL))
    assert [word.text for word in words] == ["<s>", "WHAT", "<sil>", "I'VE", "++LAUGHTER++", "</s>"]
    assert [(word.start_s, word.end_s) for word in words] == [
        (0, 0.41),
        (0.41, 0.73),
        (0.73, 1.33),
        (1.33, 1.47),
        (1.47, 1.57),
        (1.57, 1.71),
    ]


@pytest.mark.parametrize("change", ["\r\n", "blank lines", "no total", "text after the total", "upper-case suffix"])
def test_sphinx_files_as_they_occur(tmp_path: Path, change: str):
    lines = (HEADER + SPOKEN + TOTAL).splitlines()
    name = "a.WDSEG" if change == "upper-case suffix" else "a.wdseg"
    if change == "blank lines":
        lines = [line for pair in zip(lines, [""] * len(lines), strict=True) for line in pair]
    elif change == "no total":
        lines = lines[:-1]
    elif change == "text after the total":
        lines.append("what follows is no word")
    text = ("\r\n" if change == "\r\n" else "\n").join(lines)
    assert read_words(written(tmp_path, text, name)) == read_words(written(tmp_path, HEADER + SPOKEN + TOTAL))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", r"line 1: expected the header 'SFrm EFrm SegAScr Word', got an empty file"),
        (SPOKEN, r"line 1: expected the header"),
        (HEADER + TOTAL, "no word in it"),
        (HEADER + row(0, 40, "<s>") + "\t   41    7", r"line 3: expected first frame, last frame, score and word, got"),
        (HEADER + row(0, 40, "<s>") + row(41, 72, "WHAT"), r"line 3: the file ends without </s> and total score"),
        (
            HEADER + row(0, 40, "<s>") + row(41, 39, "WHAT") + TOTAL,
            r"line 3: 'WHAT' cannot last from 0\.41 s to 0\.4 s",
        ),
        (HEADER + row(50, 60, "SO") + row(41, 49, "WHAT") + TOTAL, r"line 3: 'WHAT' begins at 0\.41 s, before 'SO'"),
        (b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X\xff\xfe", r"not a text file in UTF-8 \(byte"),
        ("word\tstart_s\tend_s\nwell\t0\t1\n", "line 1: expected the header"),
    ],
)
def test_a_damaged_sphinx_file_says_where(tmp_path: Path, content: str | bytes, reason: str):
    with pytest.raises(ClipError, match=r"^Ses01F_impro01_F000\.wdseg.*" + reason):
        read_words(written(tmp_path, content))


def test_table(tmp_path: Path):
    text = "﻿word\tstart_s\tend_s\nit's\t0.0000\t0.3125\n\"quoted\t0.3125\t1\ncafé\t1\t1\n\n"
    assert read_words(written(tmp_path, text, "a.tsv")) == (
        Word("it's", 0, 0.3125),
        Word('"quoted', 0.3125, 1),
        Word("café", 1, 1),
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "line 1: expected the columns word, start_s, end_s, got an empty file"),
        ("word\tbegin\tend\nwell\t0\t1\n", "line 1: expected the columns"),
        ("word\tstart_s\tend_s\n", "no word in it"),
        ("word\tstart_s\tend_s\nwell\t0\n", "line 2: expected a word and two times in seconds, got"),
        ("word\tstart_s\tend_s\nwell\t0\t1\nso\tone\t2\n", "line 3: expected a word and two times"),
        ("word\tstart_s\tend_s\nwell\t0\tnan\n", "line 2: 'well' cannot last from 0 s to nan s"),
        ("word\tstart_s\tend_s\nwell\t-1\t1\n", "line 2: 'well' cannot last from -1 s"),
        ("word\tstart_s\tend_s\nwell\t0\tinf\n", "line 2: 'well' cannot last"),
        ("word\tstart_s\tend_s\n \t0\t1\n", "line 2: times without a word"),
    ],
)
def test_a_damaged_table_says_where(tmp_path: Path, content: str, reason: str):
    with pytest.raises(ClipError, match=r"^a\.tsv.*" + reason):
        read_words(written(tmp_path, content, "a.tsv"))


def test_other_files(tmp_path: Path):
    with pytest.raises(ClipError, match=r"a\.TextGrid: word times are read from \.tsv and \.wdseg files only"):
        read_words(tmp_path / "a.TextGrid")
    with pytest.raises(ClipError, match=r"a\.tsv: the file of word times cannot be read: No such file"):
        read_words(tmp_path / "a.tsv")


@given(
    lengths=st.lists(
        st.tuples(st.integers(1, 300), st.sampled_from(["YES", "NO(3)", "<sil>", "++BREATHING++"])), min_size=1
    )
)
def test_sphinx_words_adjoin(tmp_path_factory: pytest.TempPathFactory, lengths: list[tuple[int, str]]):
    rows, frame = [], 0
    for length, word in [*lengths, (1, "</s>")]:
        rows.append(row(frame, frame + length - 1, word))
        frame += length
    words = read_words(written(tmp_path_factory.mktemp("words"), HEADER + "".join(rows) + TOTAL))
    assert len(words) == len(rows)
    assert all(one.end_s == other.start_s for one, other in pairwise(words))
    assert words[-1].end_s == frame / 100
    assert "(" not in "".join(word.text for word in words)
