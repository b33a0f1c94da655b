"""BERT features against transformers called directly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.tiny_models import tiny_bert

from affectstore.errors import ClipError, ConfigError
from affectstore.features.base import EXTRACTORS, Clip, Media, build
from affectstore.features.text._windows import windows
from affectstore.store.clip_arrays import ClipArrays
from affectstore.weights.random import is_random

pytestmark = pytest.mark.usefixtures("own_cache")
#: One step of float16 at 4, the largest value that occurs.
HALF = {"atol": 2**-9, "rtol": 2**-10}
SENTENCE = ["that", "is", "unbelievable", "the", "doors"]
PIECES = ["that", "is", "un", "##believ", "##able", "the", "door", "##s"]
WORD = [0, 1, 2, 2, 2, 3, 4, 4]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bert(tmp_path_factory.mktemp("models") / "tiny")


def transcript(words: list[str], times: list[float] | None = None, ends: list[float] | None = None) -> ClipArrays:
    unknown = [np.nan] * len(words)
    return ClipArrays(
        {
            "values": np.array(words, dtype=np.dtypes.StringDType()),
            "times": np.array(times or unknown),
            "ends": np.array(ends or unknown),
            "source": np.array(["text"], dtype=np.dtypes.StringDType()),
        }
    )


def encoded(model: Path, words: list[str], **options: Any) -> dict[str, np.ndarray]:
    """Run the extractor and check its arrays against their declaration."""
    extractor = build("bert", {"model": str(model), **options})
    given = extractor.extract(Clip("clip", Media(), {"transcript": transcript(words)}))
    for spec in extractor.arrays():
        array = given.arrays[spec.name]
        assert array.dtype == spec.numpy_dtype
        assert array.shape == (1 if spec.granularity == "clip" else given.rows, *spec.shape)
    assert list(given.arrays) == [spec.name for spec in extractor.arrays()]
    return dict(given.arrays)


def by_hand(model: Path, pieces: list[str], layer: int = -1) -> np.ndarray:
    """Compute hidden states of [CLS], the pieces and [SEP] by transformers alone: float32 (position, feature)."""
    import torch
    from transformers import BertModel

    vocab = (model / "vocab.txt").read_text().split("\n")
    ids = [vocab.index(piece) for piece in ["[CLS]", *pieces, "[SEP]"]]
    network = BertModel.from_pretrained(model).eval()
    with torch.no_grad():
        return network(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0].numpy()


@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_words_are_the_means_of_their_pieces(model: Path, layer: int):
    states = by_hand(model, PIECES, layer)
    given = encoded(model, SENTENCE, layer=layer)
    expected = [states[1], states[2], states[3:6].mean(0), states[6], states[7:9].mean(0)]
    np.testing.assert_allclose(given["values"], expected, **HALF)
    np.testing.assert_allclose(given["cls"], states[:1], **HALF)
    assert given["pieces"].tolist() == [1, 1, 3, 1, 2]
    assert given["word"].tolist() == [0, 1, 2, 3, 4]


def test_pieces_are_the_states_themselves(model: Path):
    given = encoded(model, SENTENCE, rows="wordpieces")
    np.testing.assert_allclose(given["values"], by_hand(model, PIECES)[1:-1], **HALF)
    assert given["word"].tolist() == WORD
    assert given["pieces"].tolist() == [1] * len(PIECES)


def test_context_and_order_matter(model: Path):
    one, other = encoded(model, ["that", "is"])["values"], encoded(model, ["is", "that"])["values"]
    assert np.abs(one[0] - other[1]).max() > 0.1
    assert np.abs(one[0] - encoded(model, ["that", "door"])["values"][0]).max() > 0.1


@pytest.mark.parametrize("rows", ["words", "wordpieces"])
def test_word_times_are_passed_on(model: Path, rows: str):
    times, ends = [0.1, 0.4, np.nan, 1.2, 1.5], [0.4, 0.5, np.nan, 1.4, 2.0]
    extractor = build("bert", {"model": str(model), "rows": rows})
    arrays = extractor.extract(Clip("c", Media(), {"transcript": transcript(SENTENCE, times, ends)})).arrays
    row = range(5) if rows == "words" else WORD
    np.testing.assert_array_equal(arrays["times"], [times[k] for k in row])
    np.testing.assert_array_equal(arrays["ends"], [ends[k] for k in row])


def test_what_the_tokenizer_does_not_know(model: Path):
    given = encoded(model, ["that", "\u200b", "é7", "is"], rows="wordpieces")
    assert given["word"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(given["values"], by_hand(model, ["that", "[UNK]", "[UNK]", "is"])[1:-1], **HALF)


def test_cls_and_sep_of_a_transcript_are_not_put_in_twice(model: Path):
    states = by_hand(model, ["that", "is"])
    given = encoded(model, ["[CLS]", "that", "is", "[SEP]"])
    np.testing.assert_allclose(given["values"], states, **HALF)
    np.testing.assert_array_equal(given["values"][:1], given["cls"])
    assert given["word"].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(encoded(model, ["that", "is"])["values"], states[1:-1], **HALF)
    np.testing.assert_allclose(encoded(model, ["[CLS]", "[SEP]"])["values"], by_hand(model, []), **HALF)


def test_added_tokens_begin_at_the_mean_of_their_meaning(model: Path):
    import torch
    from transformers import BertModel

    network = BertModel.from_pretrained(model).eval()
    matrix, vocab = network.get_input_embeddings().weight, (model / "vocab.txt").read_text().split("\n")
    laughter = matrix[[vocab.index(piece) for piece in ("laugh", "##ter")]].mean(0)
    ids = [vocab.index(piece) for piece in ("[CLS]", "that", "is", "[SEP]")]
    with torch.no_grad():
        inputs = torch.stack([matrix[ids[0]], matrix[ids[1]], laughter, matrix[ids[2]], matrix[ids[3]]])
        states = network(inputs_embeds=inputs[None]).last_hidden_state[0].numpy()
    given = encoded(model, ["that", "++LAUGHTER++", "is"])
    np.testing.assert_allclose(given["values"], states[1:-1], **HALF)
    assert given["pieces"].tolist() == [1, 1, 1]
    for tokens in ({"++LAUGHTER++": ""}, {"++LAUGHTER++": "silence"}):
        other = encoded(model, ["that", "++LAUGHTER++", "is"], added_tokens=tokens)
        assert np.abs(other["values"] - given["values"]).max() > 0.05
        again = encoded(model, ["that", "++LAUGHTER++", "is"], added_tokens=tokens)
        np.testing.assert_array_equal(again["values"], other["values"])
    assert encoded(model, ["++LAUGHTER++"], added_tokens={})["pieces"].tolist() != [1]
    # Tokens that do not occur change nothing.
    np.testing.assert_array_equal(
        encoded(model, SENTENCE, added_tokens={})["values"], encoded(model, SENTENCE)["values"]
    )


def test_a_long_transcript_is_seen_in_windows(model: Path):
    """Cut 90 pieces: 38 fit beside [CLS] and [SEP]; with 8 shared, windows begin at 0, 30 and 52."""
    words = [*SENTENCE, "silence", "is"] * 9
    pieces = [*PIECES, "silence", "is"] * 9
    given = encoded(model, words, rows="wordpieces", overlap=8)
    assert len(given["values"]) == len(pieces) == 90
    spans = [(0, 38), (30, 68), (52, 90)]
    seen = [by_hand(model, pieces[start:end]) for start, end in spans]
    expected = np.concatenate([seen[0][1:35], seen[1][1 + 34 - 30 : 1 + 60 - 30], seen[2][1 + 60 - 52 : -1]])
    np.testing.assert_allclose(given["values"], expected, **HALF)
    np.testing.assert_allclose(given["cls"], [np.mean([states[0] for states in seen], axis=0)], **HALF)
    by_word = encoded(model, words, overlap=8)
    assert by_word["pieces"].sum() == 90
    np.testing.assert_allclose(by_word["values"][2], given["values"][2:5].astype(np.float32).mean(0), **HALF)
    ended = encoded(model, ["[CLS]", *words, "[SEP]"], rows="wordpieces", overlap=8)
    np.testing.assert_allclose(ended["values"][-1], seen[-1][-1], **HALF)
    np.testing.assert_array_equal(ended["values"][1:-1], given["values"])


def test_windows_of_different_lengths_do_not_disturb_each_other(model: Path):
    """Compare a padded and masked batch with its windows alone."""
    from affectstore.features.text._encoder import TextEncoder
    from affectstore.features.text._windows import Window
    from affectstore.weights.hub import TOKENIZER, ModelName, find_model

    encoder = TextEncoder(find_model(ModelName(str(model)), (TOKENIZER,)), False, {}, -1, 8)
    pieces, _ = encoder._pieces(SENTENCE)
    cut = [Window(slice(0, end), slice(0, end)) for end in (8, 3, 1)]
    together = encoder._states(pieces, cut)
    for window, states in zip(cut, together, strict=True):
        alone = by_hand(model, PIECES[window.seen])
        np.testing.assert_allclose(states[: len(alone)], alone, atol=1e-5)


def test_a_clip_does_not_depend_on_the_clips_before(model: Path):
    extractor = build("bert", {"model": str(model)})

    def values(words: list[str]) -> np.ndarray:
        return extractor.extract(Clip("c", Media(), {"transcript": transcript(words)})).arrays["values"]

    first = values(SENTENCE)
    values(["door"] * 200)
    np.testing.assert_array_equal(values(SENTENCE), first)
    np.testing.assert_array_equal(encoded(model, SENTENCE)["values"], first)


def test_an_overlap_that_leaves_nothing(model: Path):
    np.testing.assert_array_equal(
        encoded(model, SENTENCE * 9, overlap=1000)["values"], encoded(model, SENTENCE * 9, overlap=19)["values"]
    )
    with pytest.raises(ValueError, match="an overlap of 5 positions leaves nothing of a window of 5"):
        windows(9, 5, 5)


def test_layers_that_are_not_there(model: Path):
    with pytest.raises(ConfigError, match=r"no layer 3: the network has 0 \(embeddings\) to 2"):
        encoded(model, SENTENCE, layer=3)


def test_an_empty_transcript(model: Path):
    with pytest.raises(ClipError, match="the transcript has no word"):
        encoded(model, [])


def test_other_models_are_refused(model: Path, tmp_path: Path):
    folder = tmp_path / "generator"
    folder.mkdir()
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((model / "config.json").read_text())
    del config["hidden_size"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match="gives no hidden_size: not a BERT-type model"):
        build("bert", {"model": str(folder)}).arrays()


def test_random_weights_only_by_name(model: Path, tmp_path: Path):
    folder = tmp_path / "shape"
    folder.mkdir()
    for name in ("config.json", "vocab.txt", "tokenizer_config.json"):
        (folder / name).write_bytes((model / name).read_bytes())
    with pytest.raises(ConfigError, match=r"it lacks model\.safetensors"):
        build("bert", {"model": str(folder)}).weights_digest()
    random = build("bert", {"model": str(folder), "weights": "random"})
    assert is_random(random.weights_digest())
    assert not is_random(build("bert", {"model": str(model)}).weights_digest())
    given = encoded(folder, SENTENCE, weights="random")
    np.testing.assert_array_equal(given["values"], encoded(folder, SENTENCE, weights="random")["values"])


def test_other_models_of_the_family(tmp_path: Path):
    """Encode by RoBERTa, which counts positions from two on and needs a blank before words, and by DistilBERT."""
    import torch
    from transformers import DistilBertConfig, DistilBertModel, RobertaConfig, RobertaModel

    letters = [chr(code) for code in range(97, 123)]
    vocab = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *letters, "Ġ", *(f"Ġ{letter}" for letter in letters)]
    roberta = tmp_path / "roberta"
    config = RobertaConfig(
        vocab_size=len(vocab),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=22,
        type_vocab_size=1,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    network = RobertaModel(config, add_pooling_layer=False).eval()
    network.save_pretrained(roberta)
    (roberta / "vocab.json").write_text(json.dumps({piece: number for number, piece in enumerate(vocab)}))
    (roberta / "merges.txt").write_text("#version: 0.2\n" + "\n".join(f"Ġ {letter}" for letter in letters))
    (roberta / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "RobertaTokenizer"}))
    given = encoded(roberta, ["[CLS]", "ab", "c"], overlap=4)
    assert given["pieces"].tolist() == [1, 2, 1]
    with torch.no_grad():
        ids = torch.tensor([[vocab.index(piece) for piece in ("<s>", "Ġa", "b", "Ġc", "</s>")]])
        states = network(ids).last_hidden_state[0].numpy()
    expected = np.stack([states[0], states[1:3].mean(0), states[3]])
    np.testing.assert_allclose(given["values"], expected, **HALF)
    assert len(encoded(roberta, ["abc"] * 30, overlap=4)["values"]) == 30

    tiny = tiny_bert(tmp_path / "tiny")
    distil = tmp_path / "distil"
    DistilBertModel(
        DistilBertConfig(vocab_size=75, max_position_embeddings=40, n_layers=2, n_heads=2, dim=24, hidden_dim=32)
    ).save_pretrained(distil)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (distil / name).write_bytes((tiny / name).read_bytes())
    assert encoded(distil, SENTENCE)["values"].shape == (5, 24)


def test_golden(model: Path):
    """Pin values of this version; increase SPEC.version with them."""
    assert EXTRACTORS.load("bert").SPEC.version == 1
    given = encoded(model, ["that", "<sil>", "doors"], weights="random", rows="wordpieces")
    golden = [[0.3223, -1.326, 1.751], [0.693, -1.71, 1.012], [1.148, -1.353, 1.9], [0.9526, -2.041, 0.632]]
    np.testing.assert_allclose(given["values"][:, :3], golden, atol=4e-3)
