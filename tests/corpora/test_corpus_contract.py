"""What every file of the corpora folder has to fulfil; a new corpus is tested by being there."""

from pathlib import Path

import pytest
from support import small_crema_d as small
from support import small_iemocap, small_ravdess

from affectstore.corpora.base import CLIP_COLUMNS, CORPORA, Card, Found
from affectstore.errors import CorpusError
from affectstore.preflight.scan import check_found

#: Options under which an embedded corpus is made quickly.
FEW = {"synthetic": {"clips": 2}}


@pytest.fixture(params=CORPORA.names())
def name(request) -> str:
    return request.param


@pytest.fixture(scope="session")
def roots(tmp_path_factory) -> dict[str, Path]:
    """A small copy of each corpus."""
    roots = {corpus: tmp_path_factory.mktemp(corpus) for corpus in CORPORA.names()}
    small.write_media(roots["crema-d"], ["1001_DFA_ANG_XX", "1002_IEO_HAP_HI"], "VideoFlash", ".flv")
    small_iemocap.sound(roots["iemocap"], "Ses01F_impro01_F000", "Ses03M_impro08b_F001")
    small_iemocap.video(roots["iemocap"], "Ses01F_impro01")
    small_ravdess.write(roots["ravdess"], ["03-01-05-02-01-01-12.wav", "01-01-05-02-01-01-12.mp4"])
    (roots["folder"] / "b").mkdir()
    for path in ("b/1.wav", "a.wav"):
        (roots["folder"] / path).write_bytes(small.sound())
    (roots["folder"] / "clips.csv").write_text("path,label,speaker\nb/1.wav,sad,s1\na.wav,glad,s2\n")
    for corpus, root in roots.items():
        module = CORPORA.load(corpus)
        if hasattr(module, "prepare"):
            module.prepare(root, FEW.get(corpus, {}))
    return roots


def test_card(name: str):
    card = CORPORA.load(name).CARD
    assert isinstance(card, Card)
    assert card.name == name
    assert all((card.title, card.licence, card.citation))
    assert len(set(card.labels)) == len(card.labels)
    assert len(card.labels) > 1 or name == "folder", "labels may be left open by clips of one's own only"
    assert set(card.label_names) == set(card.labels)
    assert all(reason for reason in card.known_bad.values())
    assert not set(card.duplicates) & set(card.duplicates.values())
    assert all(0 < value < 1 for value in card.human.values())
    assert set(card.human) <= {"audio", "vision", "multimodal"}
    for kind in ("label", "level"):
        parts = [count for key, count in card.counts.items() if key.startswith(f"{kind}:")]
        if kind == "label":
            parts.append(card.counts.get("no_label", 0))
        assert not sum(parts) or sum(parts) == card.counts["clips"]
    listed = [value for group in card.folds for value in group]
    assert len(set(listed)) == len(listed)
    assert not listed or len(card.folds) > 2, "training, validation and test subset need a group each"
    assert not listed or card.fold_column != "speaker" or len(listed) == card.counts["speakers"]


def test_find(name: str, roots: dict[str, Path]):
    module = CORPORA.load(name)
    if not any(roots[name].iterdir()):
        pytest.skip("nothing is made of it here: `roots` has no small copy, and it is not an embedded corpus")
    found: Found = module.find(roots[name], FEW.get(name, {}))
    check_found(found.clips, module.CARD)
    assert list(found.clips.columns) == list(CLIP_COLUMNS)
    assert len(found.clips)
    assert found.clips["clip_id"].is_monotonic_increasing
    assert (found.clips["corpus"] == name).all()
    assert found.clips["speaker"].notna().all()
    for column in ("audio_path", "video_path"):
        for path in found.clips[column].dropna():
            assert not Path(path).is_absolute()
            assert (roots[name] / path).is_file()
    again: Found = module.find(roots[name], FEW.get(name, {}))
    assert again.clips.equals(found.clips)
    assert not (found.clips.select_dtypes("string") == "").any(axis=None), "what is not known is NA"


def test_missing_and_empty_folders_stop(name: str, tmp_path: Path):
    module = CORPORA.load(name)
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(CorpusError, match=str(root)):
            module.find(root, FEW.get(name, {}))


def test_unknown_options_are_refused(name: str, roots: dict[str, Path]):
    with pytest.raises(Exception, match="no_such_option"):
        CORPORA.load(name).find(roots[name], {"no_such_option": 1})
