"""Protocol `given`, the subsets of the corpus itself: small tables, checked by hand."""

import pandas as pd
import pytest

from affectstore.corpora.base import clips_table
from affectstore.errors import CorpusError
from affectstore.splits.base import check_split, exclusions
from affectstore.splits.given import split


def clips_of(*rows: tuple[str, str | None, str | None, str | None]) -> pd.DataFrame:
    """Clips as in a manifest: id, speaker, label and subset."""
    names = ("clip_id", "speaker", "label_intended", "split")
    columns = [list(column) for column in zip(*rows, strict=True)]
    clips = clips_table("folder", dict(zip(names, columns, strict=True)))
    digests = pd.array([f"{number:064x}" for number in range(len(clips))], dtype="string")
    return clips.assign(audio_sha256=digests, video_sha256=pd.NA, has_audio=True, has_video=False)


def subsets_of(clips: pd.DataFrame) -> dict[str, str]:
    table = split(clips)
    check_split(table, clips, speaker_disjoint=False)
    assert set(table["fold"]) == {0}
    return table.set_index("clip_id")["subset"].to_dict()


def why(clips: pd.DataFrame) -> dict[str, str]:
    table = split(clips).set_index("clip_id")["reason"]
    return table[table != ""].to_dict()


def test_subsets_are_those_of_the_corpus():
    clips = clips_of(
        ("a", "s1", "x", "train"), ("b", "s1", "y", "val"), ("c", "s2", "x", "test"), ("d", None, "y", "train")
    )
    assert subsets_of(clips) == {"a": "train", "b": "val", "c": "test", "d": "train"}
    assert why(clips) == {}


def test_what_takes_no_part_has_a_reason():
    clips = clips_of(
        ("a", "s1", "x", "train"),
        ("b", "s1", "y", "val"),
        ("c", "s2", "x", "test"),
        ("no_label_train", "s1", None, "train"),
        ("no_label_val", "s1", None, "val"),
        ("no_label_test", "s1", None, "test"),
        ("no_subset", "s1", "x", None),
        ("bad", "s1", "x", None),
        ("twin", "s3", "y", "train"),
    )
    clips.loc[clips["clip_id"] == "bad", "known_bad"] = "black"
    clips.loc[clips["clip_id"] == "twin", "audio_sha256"] = clips.loc[clips["clip_id"] == "a", "audio_sha256"].iloc[0]
    out = "excluded"
    assert subsets_of(clips) == {
        "a": "train",
        "b": "val",
        "c": "test",
        "no_label_train": "unlabelled",
        "no_label_val": out,
        "no_label_test": out,
        "no_subset": out,
        "bad": out,
        "twin": out,
    }
    assert why(clips) == {
        "no_label_val": "no label to validate or test on",
        "no_label_test": "no label to validate or test on",
        "no_subset": "the corpus gives it no subset",
        "bad": "known bad: black",
        "twin": "has the audio of a under another label",
    }


@pytest.mark.parametrize(("speakers", "validating"), [(2, 1), (4, 1), (9, 1), (10, 2), (25, 5)])
def test_a_fifth_of_the_training_speakers_validates_where_no_clip_does(speakers: int, validating: int):
    rows = [(f"t{n:02d}{take}", f"s{n:02d}", "xy"[take], "train") for n in range(speakers) for take in range(2)]
    clips = clips_of(*rows, ("z", "other", "x", "test"))
    subsets = pd.Series(subsets_of(clips))
    speaker = clips.set_index("clip_id")["speaker"]
    chosen = set(speaker[subsets[subsets == "val"].index])
    assert len(chosen) == validating
    assert chosen.isdisjoint(speaker[subsets[subsets == "train"].index])
    assert (subsets == "val").sum() == 2 * validating
    assert subsets["z"] == "test"
    fewer = clips[clips["speaker"].isin([*chosen, "other"]) | clips["clip_id"].str.endswith("0")]
    again = pd.Series(subsets_of(fewer))
    assert set(speaker[again[again == "val"].index]) == chosen  # by name, however many clips each has


def test_nothing_of_a_validating_speaker_is_trained_on():
    rows = [(f"{n}{kind}", f"s{n}", "x" if kind == "l" else None, "train") for n in range(4) for kind in "lu"]
    clips = clips_of(*rows, ("z", "other", "x", "test"))
    subsets = subsets_of(clips)
    chosen = next(n for n in range(4) if subsets[f"{n}l"] == "val")
    assert subsets[f"{chosen}u"] == "excluded"
    assert why(clips) == {f"{chosen}u": "no label to validate or test on"}
    assert [subsets[f"{n}u"] for n in range(4) if n != chosen] == ["unlabelled"] * 3


def test_clips_of_unknown_speakers_validate_one_by_one():
    clips = clips_of(*((f"t{n}", None, "x", "train") for n in range(10)), ("z", None, "x", "test"))
    assert list(subsets_of(clips).values()).count("val") == 2
    assert (exclusions(clips, speakers=False) == "").all()
    assert (exclusions(clips) == "the speaker is not known").all()


def test_impossible_splits_are_refused_with_advice():
    with pytest.raises(
        CorpusError, match="training subset of one speaker cannot be divided; write `val` in the column `split`"
    ):
        split(clips_of(("a", "s", "x", "train"), ("b", "s", "y", "train"), ("c", "t", "x", "test")))
    with pytest.raises(CorpusError, match=r"in the subset 'train'.*`speaker_independent` makes subsets itself"):
        split(clips_of(("a", "s", "x", None), ("b", "t", "x", None)))
    with pytest.raises(CorpusError, match="in the subset 'test'"):
        split(clips_of(("a", "s", "x", "train"), ("b", "t", "x", "val")))
    for lacking in ("train", "test"):
        rows = [(subset, subset, None if subset == lacking else "x", subset) for subset in ("train", "val", "test")]
        with pytest.raises(CorpusError, match=f"with a label in the subset '{lacking}'"):
            split(clips_of(*rows))
