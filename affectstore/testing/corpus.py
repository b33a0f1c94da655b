"""Contract tests of a corpus, to be inherited by the tests of any package that adds one.

class TestMyCorpus(CorpusContract):
    @pytest.fixture
    def corpus(self) -> ModuleType:
        return my_corpus

    @pytest.fixture
    def example_root(self, tmp_path: Path) -> Path:
        write_three_clips(tmp_path)
        return tmp_path
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from affectstore.corpora.base import CLIP_COLUMNS, Card, ScanResult
from affectstore.errors import CorpusError
from affectstore.preflight.scan import check_found


class CorpusContract:
    """Tests of a corpus file: its card, its clips, its options and its errors.

    Subclasses override the fixtures `corpus` and `example_root`, and where needed the others.
    """

    @pytest.fixture
    def corpus(self) -> ModuleType:
        """Module of the corpus."""
        raise NotImplementedError("override the fixture `corpus`: the module with CARD and find")

    @pytest.fixture
    def example_root(self) -> Path:
        """Folder of a small copy of the corpus, which is not changed."""
        raise NotImplementedError("override the fixture `example_root`: a folder with a few clips of the corpus")

    @pytest.fixture
    def example_options(self) -> Mapping[str, Any]:
        """Options that the example is read with."""
        return {}

    @pytest.fixture
    def labels_are_open(self) -> bool:
        """True for a corpus whose labels are those of each user's clips."""
        return False

    def test_card(self, corpus: ModuleType, labels_are_open: bool) -> None:
        card = corpus.CARD
        assert isinstance(card, Card)
        assert card.name == corpus.__name__.rpartition(".")[2].replace("_", "-")
        assert all((card.title, card.licence, card.citation))
        assert len(set(card.labels)) == len(card.labels)
        assert len(card.labels) > 1 or labels_are_open
        assert set(card.label_names) == set(card.labels)
        assert all(reason for reason in card.known_bad.values())
        assert not set(card.duplicates) & set(card.duplicates.values())
        assert all(0 < value < 1 for value in card.human.values())
        assert set(card.human) <= {"audio", "vision", "multimodal"}

    def test_counts_add_up(self, corpus: ModuleType) -> None:
        counts = corpus.CARD.counts
        for kind in ("label", "level"):
            parts = [count for key, count in counts.items() if key.startswith(f"{kind}:")]
            if kind == "label":
                parts.append(counts.get("no_label", 0))
            assert not sum(parts) or sum(parts) == counts["clips"]

    def test_folds(self, corpus: ModuleType) -> None:
        card = corpus.CARD
        listed = [value for group in card.folds for value in group]
        assert len(set(listed)) == len(listed)
        assert not listed or len(card.folds) > 2, "training, validation and test subset need a group each"
        assert not listed or card.fold_column != "speaker" or len(listed) == card.counts["speakers"]

    def test_find(self, corpus: ModuleType, example_root: Path, example_options: Mapping[str, Any]) -> None:
        found: ScanResult = corpus.find(example_root, example_options)
        check_found(found.clips, corpus.CARD)
        assert list(found.clips.columns) == list(CLIP_COLUMNS)
        assert len(found.clips)
        assert found.clips["clip_id"].is_monotonic_increasing
        assert (found.clips["corpus"] == corpus.CARD.name).all()
        assert found.clips["speaker"].notna().all()
        for column in ("audio_path", "video_path"):
            for path in found.clips[column].dropna():
                assert not Path(path).is_absolute()
                assert (example_root / path).is_file()
        again: ScanResult = corpus.find(example_root, example_options)
        assert again.clips.equals(found.clips)
        assert not (found.clips.select_dtypes("string") == "").any(axis=None), "unknown values are NA"

    def test_missing_and_empty_folders_are_refused(self, corpus: ModuleType, tmp_path: Path) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        for root in (tmp_path / "nowhere", empty):
            with pytest.raises(CorpusError, match=str(root)):
                corpus.find(root, {})

    def test_unknown_options_are_refused_before_files_are_read(self, corpus: ModuleType, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(Exception, match="no_such_option"):
            corpus.find(tmp_path, {"no_such_option": 1})
