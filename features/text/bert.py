"""Contextual word vectors by a BERT-type model (Devlin et al. 2019), run by transformers."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from affectstore.digest import digest
from affectstore.errors import ClipError, ConfigError
from affectstore.features import base
from affectstore.features.text._encoder import HiddenStates, TextEncoder
from affectstore.features.text._tokens import BREATHING, LAUGHTER, SILENCE
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.weights.hub import TOKENIZER, ModelFolder, ModelName, find_model
from affectstore.weights.random import RANDOM

SPEC = base.Spec(
    name="bert",
    version=1,
    summary="words in context, by a BERT-type model",
    modality="text",
    needs=("transcript",),
    libraries=("torch", "transformers", "tokenizers"),
    gpu=True,
)


class Options(base.Options):
    """Options of `bert`."""

    rows: Literal["words", "wordpieces"] = Field(
        default="words", description="words: the mean of each word's WordPieces; wordpieces: one row each."
    )
    model: str = Field(
        default="google-bert/bert-base-uncased",
        min_length=1,
        description="A BERT-type model: its id on the Hugging Face hub, or a folder (./weights/mine).",
    )
    revision: str | None = Field(
        default=None,
        description="Branch, tag or commit of the id; null: the known one of the default model, else main.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="Required digest of model.safetensors; null: the known one of the default model, else any.",
    )
    weights: Literal["pretrained", "random"] = Field(
        default="pretrained",
        description="random: untrained weights of the shape in the model's config.json; for tests only.",
    )
    layer: int = Field(default=-1, description="Index of the hidden state: -1 the last, 0 the embeddings.")
    added_tokens: dict[str, str] = Field(
        default={SILENCE: "silence", LAUGHTER: "laughter", BREATHING: "breathing"},
        description="Tokens that the model does not know yet, each with the words whose mean embedding initialises it; "
        '"": normally distributed around 0 (std .02), seeded by the token\'s name.',
    )
    overlap: int = Field(
        default=64,
        ge=0,
        description="WordPieces that windows share where a transcript is longer than the model's input; at most half "
        "of a window.",
    )


class Extractor(base.BaseExtractor):
    """One vector per word or WordPiece, with [CLS] in an array of its own."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: float16 (row, feature), one row per word or WordPiece.

        `word`: row of `transcript` to which it belongs; `pieces`: number of WordPieces of which it is the mean;
        `times`, `ends`: span of the word, NaN if unknown; `cls`: float16 (1, feature), state of [CLS].

        Raises:
            ConfigError: The model is missing, so its width is unknown.
        """
        row = "word" if self.options.rows == "words" else "wordpiece"
        width = self._hidden_size()
        return (
            ArraySpec("values", "float16", (row, "feature"), (width,)),
            ArraySpec("word", "int32", (row,)),
            ArraySpec("pieces", "int32", (row,)),
            ArraySpec("times", "float64", (row,), unit="s", allow_nan=True),
            ArraySpec("ends", "float64", (row,), unit="s", allow_nan=True),
            ArraySpec("cls", "float16", ("clip", "feature"), (width,), granularity="clip"),
        )

    def weights_digest(self) -> str:
        """Compute the digest of configuration, tokenizer and weights.

        Raises:
            ConfigError: The model is missing, incomplete, or another than was asked for.
        """
        if self._random:
            return f"{RANDOM}:{digest(self._found.digest)}"
        return self._found.digest

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Compute the vectors of the clip's words, in their order.

        Raises:
            ClipError: The transcript is empty, or a vector is not finite.
            ConfigError: The model cannot be loaded.
        """
        transcript = clip.upstream["transcript"].arrays
        words = [str(word) for word in transcript["values"]]
        if not words:
            raise ClipError("the transcript has no word")
        encoded = self._encoder.encode(words)
        values, word, pieces = _by_word(encoded) if self.options.rows == "words" else _by_piece(encoded)
        return ClipArrays(
            {
                "values": values.astype(np.float16),
                "word": word,
                "pieces": pieces,
                "times": np.asarray(transcript["times"])[word],
                "ends": np.asarray(transcript["ends"])[word],
                "cls": encoded.cls[None].astype(np.float16),
            }
        )

    @property
    def _random(self) -> bool:
        return self.options.weights == RANDOM

    @property
    def _name(self) -> ModelName:
        return ModelName(self.options.model, self.options.revision, self.options.sha256)

    @cached_property
    def _found(self) -> ModelFolder:
        return find_model(self._name, (TOKENIZER,), weights=not self._random)

    @cached_property
    def _encoder(self) -> TextEncoder:
        options = self.options
        return TextEncoder(self._found, self._random, options.added_tokens, options.layer, options.overlap)

    def _hidden_size(self) -> int:
        known = self._name.known
        if known is not None:
            return known.hidden_size
        config = self._found.config()
        width = config.get("hidden_size", config.get("dim"))  # DistilBERT's name is dim
        if not isinstance(width, int) or width < 1:
            raise ConfigError(f"{self._found.folder}/config.json gives no hidden_size: not a BERT-type model")
        return width


def _by_word(encoded: HiddenStates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Average over the pieces of each word: float32 (word, feature), int32 (word,), int32 (word,)."""
    first = np.flatnonzero(np.diff(encoded.word, prepend=-1))
    counts = np.diff(first, append=len(encoded.word)).astype(np.int32)
    means = np.add.reduceat(encoded.states, first, axis=0) / counts[:, None]
    return means, encoded.word[first], counts


def _by_piece(encoded: HiddenStates) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Keep the pieces, one row each: float32 (piece, feature), int32 (piece,), int32 (piece,)."""
    return encoded.states, encoded.word, np.ones(len(encoded.word), dtype=np.int32)
