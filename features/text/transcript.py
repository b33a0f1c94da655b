"""Words of a clip: from the corpus' alignment or text, or by speech recognition."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from affectstore.errors import ClipError, NotApplicable, UnknownNameError
from affectstore.features import base
from affectstore.features.audio._waveform import waveform_of
from affectstore.features.text._speech_recognizer import SpeechRecognizer
from affectstore.features.text._steps import STEPS, normalize
from affectstore.features.text._tokens import plain_apostrophes, tokenize
from affectstore.media.words import Word, read_words
from affectstore.store.clip_arrays import ClipArrays
from affectstore.store.spec import ArraySpec
from affectstore.weights.hub import PREPROCESSOR, TOKENIZER, ModelFolder, ModelName, find_model

SPEC = base.Spec(
    name="transcript",
    version=1,
    summary="the words that are said, with their times where they are known",
    modality="text",
    media=("words",),
    columns=("text",),
)


class Options(base.Options):
    """Options of `transcript`."""

    source: Literal["corpus", "alignment", "text", "asr"] = Field(
        default="corpus",
        description="corpus: the corpus' alignment where it has one, else its text, without times; alignment or text: "
        "that one only; asr: speech recognition.",
    )
    steps: tuple[str, ...] = Field(
        default=("strip_marks", "strip_punctuation", "lower_case"),
        description=f"Normalisation, in this order; known: {', '.join(STEPS)}.",
    )
    model: str = Field(
        default="facebook/wav2vec2-base-960h",
        min_length=1,
        description="asr: a model with a CTC head or a Whisper: its id on the Hugging Face hub, or a folder "
        "(./weights/mine).",
    )
    revision: str | None = Field(
        default=None,
        description="asr: branch, tag or commit of the id; null: the known one of the default model, else main.",
    )
    sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="asr: required digest of model.safetensors; null: the known one of the default model, else any.",
    )
    language: str | None = Field(
        default="en", description="asr: the language spoken, for a multilingual Whisper; null: it is detected."
    )

    @field_validator("steps")
    @classmethod
    def _steps_are_known(cls, steps: tuple[str, ...]) -> tuple[str, ...]:
        for step in steps:
            if step not in STEPS:
                raise ValueError(str(UnknownNameError("step", step, STEPS)))
        return steps

    def spec_for(self, spec: base.Spec) -> base.Spec:
        """Require audio for speech recognition only, and of the corpus only `source`."""
        if self.source == "asr":
            libraries = ("torch", "transformers", "soxr")
            return replace(spec, media=(), columns=(), needs=("audio",), libraries=libraries, gpu=True)
        return replace(
            spec,
            media=("words",) if self.source in ("corpus", "alignment") else (),
            columns=("text",) if self.source in ("corpus", "text") else (),
        )


class Extractor(base.BaseExtractor):
    """Words from the chosen source, normalised."""

    options: Options

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Declare `values`: str (word,); `times`, `ends`: span of each word, NaN if unknown.

        `source` (one per clip): "alignment", "text", or "asr:model@revision".
        """
        return (
            ArraySpec("values", "str", ("word",), codec="utf8"),
            ArraySpec("times", "float64", ("word",), unit="s", allow_nan=True),
            ArraySpec("ends", "float64", ("word",), unit="s", allow_nan=True),
            ArraySpec("source", "str", ("clip",), codec="utf8", granularity="clip"),
        )

    def weights_digest(self) -> str | None:
        """Compute the digest of the speech recogniser's files; None where none is used.

        Raises:
            ConfigError: The model is missing, incomplete, or another than was asked for.
        """
        return self._found.digest if self.options.source == "asr" else None

    def extract(self, clip: base.Clip) -> ClipArrays:
        """Collect the clip's words, in their order.

        Raises:
            ClipError: No word is left, a step refuses them, or the file of word times is damaged.
            NotApplicable: The corpus has no transcript of the clip.
            ConfigError: The speech recogniser cannot be loaded.
        """
        raw, source = self._recognize(clip) if self.options.source == "asr" else self._read(clip)
        words = normalize(raw, self.options.steps)
        if not words:
            raise ClipError(f"no word is left of the {source}: {' '.join(word.text for word in raw)!r}")
        text = np.dtypes.StringDType()
        return ClipArrays(
            {
                "values": np.array([word.text for word in words], dtype=text),
                "times": np.array([word.start_s for word in words], dtype=np.float64),
                "ends": np.array([word.end_s for word in words], dtype=np.float64),
                "source": np.array([source], dtype=text),
            }
        )

    def _read(self, clip: base.Clip) -> tuple[tuple[Word, ...], str]:
        """Read words and marks from the corpus; return them and the name of their source."""
        wanted = self.options.source
        if wanted != "text" and clip.media.words is not None:
            words = read_words(clip.media.words)
            return tuple(replace(word, text=plain_apostrophes(word.text)) for word in words), "alignment"
        if wanted != "alignment" and clip.text is not None:
            return tokenize(clip.text), "text"
        lacking = {"corpus": "text and no file of word times", "text": "text", "alignment": "file of word times"}
        raise NotApplicable(f"the clip has no {lacking[wanted]}; source: asr recognises its speech")

    def _recognize(self, clip: base.Clip) -> tuple[tuple[Word, ...], str]:
        """Recognise the words of the audio; return them and the name of the model."""
        waveform = waveform_of(clip)
        words = self._recognizer.words(waveform)
        if not words:
            raise ClipError(f"{self._label} recognised nothing in {float(waveform.duration):.2f} s of sound")
        return words, self._label

    @property
    def _name(self) -> ModelName:
        return ModelName(self.options.model, self.options.revision, self.options.sha256)

    @property
    def _label(self) -> str:
        """Name of the recogniser without any path of this machine: a folder has its own name and digest."""
        name = self._name
        if name.is_folder:
            return f"asr:{Path(name.model).expanduser().resolve().name}@{self._found.digest[:12]}"
        return f"asr:{name.model}@{name.wanted_revision}"

    @cached_property
    def _found(self) -> ModelFolder:
        return find_model(self._name, (TOKENIZER, PREPROCESSOR))

    @cached_property
    def _recognizer(self) -> SpeechRecognizer:
        return SpeechRecognizer(self._found, self.options.language)
