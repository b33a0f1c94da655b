"""Contextual vectors of words by a BERT-type model (Devlin et al. 2019), run by transformers."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from affectstore.digest import digest
from affectstore.errors import ClipError, ConfigError
from affectstore.features import base
from affectstore.features.text._encoder import Encoded, TextEncoder
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
        description="What model.safetensors must have; null: the known one of the default model, else anything.",
    )
    weights: Literal["pretrained", "random"] = Field(
        default="pretrained",
        description="random: untrained weights of the shape that the model's config.json says; for tests only.",
    )
    layer: int = Field(default=-1, description="Which hidden state: -1 the last, 0 the embeddings.")
    added_tokens: dict[str, str] = Field(
        default={SILENCE: "silence", LAUGHTER: "laughter", BREATHING: "breathing"},
        description="Tokens that the model does not know yet, each with the words whose mean embedding it starts with; "
        '"": normally distributed around 0 (std .02), drawn from the token\'s name.',
    )
    overlap: int = Field(
        default=64,
        ge=0,
        description="WordPieces that windows share where a transcript is longer than the model can see; at most half "
        "of a window.",
    )


class Extractor(base.BaseExtractor):
    """One vector a word or a WordPiece, and [CLS] kept apart."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """`values`: float16 (row, feature), a row being a word or a WordPiece.

        `word`: the row of `transcript` that it is of; `pieces`: of how many WordPieces it is the mean;
        `times`, `ends`: the word's span, NaN where it is not known; `cls`: float16 (1, feature), the state
        of [CLS].

        Raises:
            ConfigError: the model is not here, so its width is not known.
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
        """Digest over configuration, tokenizer and weights.

        Raises:
            ConfigError: the model is not here, not whole, or another than was asked for.
        """
        if self._random:
            return f"{RANDOM}:{digest(self._found.digest)}"
        return self._found.digest

    def extract(self, clip: base.Clip) -> ClipArrays:
        """The vectors of the clip's words, in their order.

        Raises:
            ClipError: the transcript is empty, or a vector has no finite number.
            ConfigError: the model cannot be loaded.
        """
        given = clip.upstream["transcript"].arrays
        words = [str(word) for word in given["values"]]
        if not words:
            raise ClipError("the transcript has no word")
        encoded = self._encoder.encode(words)
        values, word, pieces = _by_word(encoded) if self.options.rows == "words" else _by_piece(encoded)
        return ClipArrays(
            {
                "values": values.astype(np.float16),
                "word": word,
                "pieces": pieces,
                "times": np.asarray(given["times"])[word],
                "ends": np.asarray(given["ends"])[word],
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
        width = config.get("hidden_size", config.get("dim"))  # DistilBERT says dim
        if not isinstance(width, int) or width < 1:
            raise ConfigError(f"{self._found.folder}/config.json gives no hidden_size: not a BERT-type model")
        return width


def _by_word(encoded: Encoded) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means over the pieces of each word: float32 (word, feature), int32 (word,), int32 (word,)."""
    first = np.flatnonzero(np.diff(encoded.word, prepend=-1))
    counts = np.diff(first, append=len(encoded.word)).astype(np.int32)
    means = np.add.reduceat(encoded.states, first, axis=0) / counts[:, None]
    return means, encoded.word[first], counts


def _by_piece(encoded: Encoded) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pieces as they are, one of one each: float32 (piece, feature), int32 (piece,), int32 (piece,)."""
    return encoded.states, encoded.word, np.ones(len(encoded.word), dtype=np.int32)
