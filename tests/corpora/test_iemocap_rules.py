"""Option `utterances` of IEMOCAP on a hand-written tree."""

from pathlib import Path

import pytest
from support import small_iemocap as small
from support.small_iemocap import F0, F1, M0, D

from affectstore.corpora.iemocap import find
from affectstore.errors import CorpusError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "iemocap"
    small.dialogue(root)
    return root


def reasons(found) -> dict[str, str]:
    return {skip.clip_id: skip.reason for skip in found.skipped}


def test_seed_003_drops_what_has_no_words(root: Path):
    lines = (root / f"Session1/dialog/transcriptions/{D}.txt").read_text()
    assert reasons(find(root, {"utterances": "four_classes"})).keys() == {F0, F1, f"{D}_FXX0"}
    for text, drops in [
        ("[GARBAGE]", True),
        ("[BREATHING] [GARBAGE]", True),
        ("[LAUGHTER]", False),
        ("[BREATHING] Oh.", False),
    ]:
        (root / f"Session1/dialog/transcriptions/{D}.txt").write_text(lines.replace("In the shed.", text))
        if drops:
            with pytest.raises(CorpusError, match=r"seed_003.*only \["):
                find(root, {"utterances": "seed_003"})
        else:
            assert find(root, {"utterances": "seed_003"}).clips["clip_id"].tolist() == [M0]
    (root / f"Session1/sentences/ForcedAlignment/{D}/{M0}.wdseg").unlink()
    with pytest.raises(CorpusError, match="no forced alignment"):
        find(root, {"utterances": "seed_003"})


@pytest.mark.parametrize(
    ("aligned", "taken"),
    [
        (("++BREATHING++",), False),
        (("++GARBAGE++", "<sil>", "++BREATHING++"), False),
        (("++LAUGHTER++",), True),
        (("++BREATHING++", "OH(2)"), True),
    ],
)
def test_seed_003_goes_by_the_alignment_too(root: Path, aligned: tuple[str, ...], taken: bool):
    rows = ["\t SFrm  EFrm    SegAScr Word"]
    rows += [f"\t{10 * k:5d} {10 * k + 9:5d} {-k:10d} {word}" for k, word in enumerate(["<s>", *aligned, "</s>"])]
    path = root / f"Session1/sentences/ForcedAlignment/{D}/{M0}.wdseg"
    path.write_text("\n".join([*rows, " Total score:         -3"]) + "\n")
    (root / f"Session1/dialog/transcriptions/{D}.txt").unlink()
    if taken:
        assert find(root, {"utterances": "seed_003"}).clips["clip_id"].tolist() == [M0]
    else:
        with pytest.raises(CorpusError, match=r"the forced alignment is only \+\+"):
            find(root, {"utterances": "seed_003"})
