"""Numbers of a complete copy, on a tree with all its names and empty media."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pandas as pd
import pytest
from support import full_iemocap as full

from affectstore.corpora.iemocap import CARD, find
from affectstore.preflight.scan_summary import against_card


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("full") / "IEMOCAP_full_release"
    full.write(root)
    return root


@contextmanager
def away(path: Path) -> Iterator[None]:
    """Move a file or folder of the tree away for a while, which is faster than copying the tree."""
    elsewhere = path.with_name(f".away {path.name}")
    path.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(path)


def test_the_tree_is_counted_as_the_corpus_is():
    labels = full.labelled()
    assert len(labels) == 10039
    assert Counter(labels.values()) == full.LABELS
    assert Counter(name[4] for name in labels) == full.UTTERANCES
    assert Counter(name[4] for name, code in labels.items() if code in full.FOUR) == full.FOUR_CLASSES
    assert {session: len(full.dialogues(session)) for session in full.DIALOGUES} == full.DIALOGUES


def test_every_utterance(root: Path):
    begin = time.process_time()
    found = find(root, {})
    assert time.process_time() - begin < 8, "about 0.7 s on one core"
    clips = found.clips.set_index("clip_id")
    assert clips["label_audiovisual"].fillna("xxx").to_dict() == full.labelled()
    assert clips["speaker"].nunique() == 10
    assert (found.absent, found.skipped) == (0, ())
    assert clips["words_path"].isna().sum() == 2
    assert clips["votes_audiovisual"].notna().all(), "also where the raters do not agree"
    assert (clips["whole_media"] == "audio").all()
    assert (clips["end_s"] - clips["start_s"] == 1.75).all()
    assert found.is_complete
    assert against_card(found.clips, found.expected) == []


def test_four_classes(root: Path):
    found = find(root, {"utterances": "four_classes"})
    clips = found.clips
    assert len(clips) == 5531
    assert clips["session"].value_counts().to_dict() == full.FOUR_CLASSES
    merged = clips["label_audiovisual"].replace({"exc": "hap"}).value_counts().to_dict()
    assert merged == {"neu": 1708, "hap": 1636, "ang": 1103, "sad": 1084}
    assert len(found.skipped) == 10039 - 5531
    why = {skip.clip_id: skip.reason for skip in found.skipped}
    labels = full.labelled()
    for name, reason in why.items():
        assert ("xxx" in reason) if labels[name] == "xxx" else (f"label {labels[name]} " in reason)
    assert against_card(clips, found.expected) == []


def test_seed_003(root: Path):
    found = find(root, {"utterances": "seed_003"})
    assert len(found.clips) == 5520
    dropped = {s.clip_id: s.reason for s in found.skipped} | dict.fromkeys(found.clips["clip_id"], "")
    fewer = {s.clip_id for s in find(root, {"utterances": "four_classes"}).skipped}
    reasons = Counter(reason for name, reason in dropped.items() if reason and name not in fewer)
    assert sum(reasons.values()) == 11
    assert reasons["no forced alignment"] == 1
    assert sum(count for reason, count in reasons.items() if "only [" in reason) == 10
    assert dropped["Ses03F_impro07_M030"] == "no forced alignment"
    assert "xxx" in dropped["Ses03M_impro03_M001"], "the other one without an alignment has no label either"
    assert against_card(found.clips, found.expected) == []


def test_a_number_that_is_not_the_cards_is_told(root: Path):
    path = root / "Session4/dialog/EmoEvaluation/Ses04F_impro01.txt"
    text = path.read_text()
    name = next(line.split("\t")[1] for line in text.splitlines() if "\tang\t" in line)
    path.write_text(text.replace(f"{name}\tang", f"{name}\tsad"))
    found = find(root, {})
    path.write_text(text)
    assert found.is_complete
    assert against_card(found.clips, found.expected) == [
        "the card expects 1103 of label:ang, found 1102",
        "the card expects 1084 of label:sad, found 1085",
    ]


def test_one_lost_utterance_of_a_complete_copy_is_a_row(root: Path):
    name = "Ses02M_impro03_F004"
    with away(root / f"Session2/sentences/wav/Ses02M_impro03/{name}.wav"):
        clip = find(root, {}).clips.set_index("clip_id").loc[name]
        assert pd.isna(clip["audio_path"]), "its audio is not taken from another source"
        assert clip["video_path"] == "Session2/dialog/avi/DivX/Ses02M_impro03.avi"
        assert pd.isna(clip["whole_media"])
        with away(root / "Session2/dialog/avi"):
            found = find(root, {})
    assert name not in set(found.clips["clip_id"])
    assert next(skip.reason for skip in found.skipped if skip.clip_id == name).startswith("missing")
    assert (found.absent, found.is_complete) == (0, True)
    assert "the card expects 10039 of clips, found 10038" in against_card(found.clips, found.expected)


@pytest.mark.parametrize("gone", [("Session1",), ("Session2", "Session3", "Session4")])
def test_a_partial_copy_is_not_held_against_the_card(root: Path, gone: tuple[str, ...]):
    with ExitStack() as stack:
        for session in gone:
            stack.enter_context(away(root / session))
        found = find(root, {})
    lost = sum(full.UTTERANCES[session[-1]] for session in gone)
    assert (len(found.clips), found.absent) == (10039 - lost, lost)
    assert not found.is_complete
    assert any(", ".join(gone) in note for note in found.notes)


def test_the_folds_are_the_sessions(root: Path):
    sessions = find(root, {}).clips.groupby("session")["speaker"].unique()
    assert CARD.fold_column == "session"
    assert sorted(value for fold in CARD.folds for value in fold) == sorted(sessions.index)
    assert sum(len(speakers) for speakers in sessions) == 10, "no speaker is in two folds"
