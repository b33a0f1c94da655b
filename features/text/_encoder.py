"""A BERT-type network (Devlin et al. 2019): from words to hidden states of their WordPieces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from affectstore.errors import ConfigError
from affectstore.features.device import default_device, deterministic_inference
from affectstore.features.text._tokens import SENTENCE_END, SENTENCE_START
from affectstore.features.text._windows import Window, windows
from affectstore.weights.hub import ModelFolder
from affectstore.weights.hub_load import load_model, load_part, random_model

#: Windows computed at once.
_BATCH = 8
#: A layer used by other tasks only; many published models lack it.
_UNUSED = ("pooler.",)
#: Standard deviation of BERT's own new embeddings.
_EMBEDDING_STD = 0.02


@dataclass(frozen=True)
class HiddenStates:
    """Hidden states of a transcript.

    Attributes:
        states: float32 (piece, feature).
        word: int32 (piece,), index of each piece's word, ascending; every word has at least one piece.
        cls: float32 (feature,), state of [CLS]; the mean over the windows if there are several.
    """

    states: np.ndarray
    word: np.ndarray
    cls: np.ndarray


class TextEncoder:
    """A tokenizer and its network.

    Args:
        found: Folder of the model.
        random: True for random weights.
        added_tokens: Token -> words whose mean embedding initialises it; "" initialises it at random.
        layer: Index of the hidden state, 0 for the embeddings, -1 for the last.
        overlap: WordPieces that neighbouring windows share; at most half of a window counts.

    Raises:
        ConfigError: The folder holds no BERT-type model, or its network lacks this layer.
    """

    def __init__(
        self, found: ModelFolder, random: bool, added_tokens: Mapping[str, str], layer: int, overlap: int
    ) -> None:
        # Byte-level tokenizers (RoBERTa) need the blank before a word; others ignore it.
        self._tokenizer = load_part("AutoTokenizer", found, use_fast=True, add_prefix_space=True)
        if not self._tokenizer.is_fast or self._tokenizer.cls_token_id is None or self._tokenizer.sep_token_id is None:
            raise ConfigError(
                f"{found.folder}: not a BERT-type model: its tokenizer has no [CLS] and [SEP], or is slow"
            )
        self._model = random_model("AutoModel", found) if random else load_model("AutoModel", found, _UNUSED)
        self._layer = layer
        self._size = self._longest(found) - 2
        self._overlap = min(overlap, self._size // 2)
        self._unknown = self._tokenizer.unk_token_id
        self._add(added_tokens)
        self._device = default_device()
        self._model.to(self._device)

    def encode(self, words: Sequence[str]) -> HiddenStates:
        """Compute the hidden states of the pieces of `words` in context.

        [CLS] and [SEP] are put around each input of the network. Where the transcript itself begins with
        "[CLS]" or ends with "[SEP]", their states belong to that word; they are not inserted twice.
        A word that the tokenizer does not know is its unknown token. Transcripts that are longer than the network's
        input are cut into windows (see `_windows`), which form one batch with a mask.
        """
        starts, ends = words[:1] == [SENTENCE_START], words[-1:] == [SENTENCE_END]
        inner = list(words[int(starts) : len(words) - int(ends)])
        pieces, word = self._pieces(inner)
        cut = windows(len(pieces), self._size, self._overlap)
        states, first, last = [], [], []
        for begin in range(0, len(cut), _BATCH):
            batch = cut[begin : begin + _BATCH]
            for window, seen in zip(batch, self._states(pieces, batch), strict=True):
                # Position 0 is [CLS], and the one after the last piece [SEP].
                states.append(
                    seen[window.kept.start - window.seen.start + 1 : window.kept.stop - window.seen.start + 1]
                )
                first.append(seen[0])
                last.append(seen[window.seen.stop - window.seen.start + 1])
        cls = np.stack(first).mean(axis=0)
        rows = [cls[None]] * starts + states + [last[-1][None]] * ends
        index = [0] * starts + [number + starts for number in word] + [len(words) - 1] * ends
        return HiddenStates(np.concatenate(rows), np.array(index, dtype=np.int32), cls)

    def _pieces(self, words: list[str]) -> tuple[list[int], list[int]]:
        """Tokenize words: ids of the pieces, and the word of each."""
        if not words:
            return [], []
        encoded = self._tokenizer(words, is_split_into_words=True, add_special_tokens=False, verbose=False)
        by_word: list[list[int]] = [[] for _ in words]
        for piece, number in zip(encoded["input_ids"], encoded.word_ids(), strict=True):
            by_word[number].append(piece)
        known = [pieces or [self._unknown] for pieces in by_word]
        return [piece for pieces in known for piece in pieces], [k for k, pieces in enumerate(known) for _ in pieces]

    def _states(self, pieces: list[int], cut: Sequence[Window]) -> np.ndarray:
        """Run the network: float32 (window, position, feature), [CLS] first; padding follows a window's [SEP]."""
        import torch

        tokenizer = self._tokenizer
        rows = [[tokenizer.cls_token_id, *pieces[window.seen], tokenizer.sep_token_id] for window in cut]
        longest = max(map(len, rows))
        ids = torch.full((len(rows), longest), tokenizer.pad_token_id or 0)
        mask = torch.zeros_like(ids)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1
        device = self._device
        with deterministic_inference():
            output = self._model(input_ids=ids.to(device), attention_mask=mask.to(device), output_hidden_states=True)
            return output.hidden_states[self._layer].cpu().numpy()

    def _longest(self, found: ModelFolder) -> int:
        """Count the positions of the network's input, [CLS] and [SEP] included.

        Raises:
            ConfigError: The model has no positions, or lacks the layer.
        """
        config = self._model.config
        layers = config.num_hidden_layers
        if not -layers - 1 <= self._layer <= layers:
            raise ConfigError(f"{found.folder}: no layer {self._layer}: the network has 0 (embeddings) to {layers}")
        if not isinstance(getattr(config, "max_position_embeddings", None), int):
            raise ConfigError(f"{found.folder}: a {config.model_type} model counts no positions: not a BERT-type model")
        positions = getattr(getattr(self._model, "embeddings", None), "position_embeddings", None)
        # RoBERTa counts positions from the padding's index on.
        skipped = 0 if positions is None or positions.padding_idx is None else positions.padding_idx + 1
        return min(config.max_position_embeddings - skipped, self._tokenizer.model_max_length)

    def _add(self, tokens: Mapping[str, str]) -> None:
        """Add every unknown token, with an id and an embedding that are the same on every machine."""
        import torch
        from transformers import AddedToken

        tokenizer, model = self._tokenizer, self._model
        known = tokenizer.get_vocab()
        new = [token for token in sorted(tokens) if token not in known]
        if not new:
            return
        matrix = model.get_input_embeddings().weight.detach()
        vectors = [self._first_embedding(token, tokens[token], matrix) for token in new]
        tokenizer.add_tokens([AddedToken(token, normalized=False) for token in new])
        model.resize_token_embeddings(max(len(tokenizer), len(matrix)), mean_resizing=False)
        with torch.no_grad():
            for token, vector in zip(new, vectors, strict=True):
                model.get_input_embeddings().weight[tokenizer.convert_tokens_to_ids(token)] = vector

    def _first_embedding(self, token: str, meaning: str, matrix: Any) -> Any:
        """Initialise the embedding of a new token: (feature,)."""
        import torch

        pieces, _ = self._pieces(meaning.split())
        if pieces:
            return matrix[pieces].mean(dim=0)
        seed = int.from_bytes(hashlib.sha256(token.encode()).digest()[:8])
        values = np.random.default_rng(seed).standard_normal(matrix.shape[1])
        return torch.from_numpy((_EMBEDDING_STD * values).astype(np.float32))
