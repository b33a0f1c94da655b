"""Speech recognition by models of transformers: wav2vec 2.0 and others with a CTC head, and Whisper.

Decoding is greedy, so a recording has the same words each time. A CTC head assigns each letter to frames of
20 ms: word times are exact to the frame. Whisper's word times follow from its cross-attention (dynamic time
warping) if its generation configuration names the heads; otherwise words have no times.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from affectstore.errors import ClipError, ConfigError
from affectstore.features.audio._waveform import Waveform
from affectstore.features.device import default_device, deterministic_inference
from affectstore.features.text._tokens import plain_apostrophes, tokenize
from affectstore.media.words import Word
from affectstore.weights.hub import ModelFolder
from affectstore.weights.hub_load import load_model, load_part

#: Longer audio is recognised in pieces of this length; Whisper splits it itself.
_CTC_PIECE_S = 30
#: Used in training only, and missing in published models.
_UNUSED = ("masked_spec_embed",)


class SpeechRecognizer:
    """A speech recognition model, loaded at the first recording.

    Args:
        found: Folder of the model.
        language: Language of the speech, for multilingual models; None lets Whisper detect it.

    Raises:
        ConfigError: The model has no CTC head and is no Whisper.
    """

    def __init__(self, found: ModelFolder, language: str | None):
        self._found, self._language = found, language
        config = found.config()
        self._whisper = config.get("model_type") == "whisper"
        architectures = config.get("architectures") or ()
        if not self._whisper and not any(str(name).endswith("ForCTC") for name in architectures):
            raise ConfigError(
                f"{found.folder}: {', '.join(map(str, architectures)) or 'an unnamed model'} recognises no speech; "
                "known: models with a CTC head (wav2vec 2.0, HuBERT, WavLM, ...), Whisper"
            )

    def words(self, waveform: Waveform) -> tuple[Word, ...]:
        """Recognise words; none where the model finds no speech.

        Raises:
            ClipError: The waveform is too short for the model.
            ConfigError: The model cannot be loaded.
        """
        import soxr

        pipeline = self._pipeline
        rate_hz = pipeline.feature_extractor.sampling_rate
        samples = (
            waveform.samples
            if waveform.rate_hz == rate_hz
            else soxr.resample(waveform.samples, waveform.rate_hz, rate_hz)
        )
        frames = 1 if self._whisper else int(pipeline.model._get_feat_extract_output_lengths(len(samples)))
        if frames < 1:
            raise ClipError(f"the sound of {float(waveform.duration):.3f} s is too short for the speech recogniser")
        with deterministic_inference(), _quiet():
            output = pipeline({"raw": samples, "sampling_rate": rate_hz}, **self._settings)
        if "chunks" not in output:
            return tokenize(output["text"])
        return _timed(output["chunks"], waveform)

    @cached_property
    def _pipeline(self) -> Any:
        from transformers import AutomaticSpeechRecognitionPipeline

        found = self._found
        with _quiet():
            return AutomaticSpeechRecognitionPipeline(
                model=load_model("AutoModelForSpeechSeq2Seq" if self._whisper else "AutoModelForCTC", found, _UNUSED),
                tokenizer=load_part("AutoTokenizer", found),
                feature_extractor=load_part("AutoFeatureExtractor", found),
                device=default_device(),
            )

    @cached_property
    def _settings(self) -> dict[str, Any]:
        if not self._whisper:
            return {"return_timestamps": "word", "chunk_length_s": _CTC_PIECE_S}
        known = self._pipeline.model.generation_config
        spoken: dict[str, Any] = {"num_beams": 1, "do_sample": False}
        if getattr(known, "is_multilingual", False):
            spoken |= {"task": "transcribe", "language": self._language}
        timed = {"return_timestamps": "word"} if getattr(known, "alignment_heads", None) else {}
        return {"generate_kwargs": spoken, **timed}


def _timed(chunks: list[dict[str, Any]], waveform: Waveform) -> tuple[Word, ...]:
    """Convert chunks to words in the order of their starts, clipped to the waveform."""
    first, last = float(waveform.start), float(waveform.start + waveform.duration)
    words: list[Word] = []
    for chunk in chunks:
        text = plain_apostrophes(chunk["text"].strip())
        if not text:
            continue
        start, end = (math.nan if time is None else first + float(time) for time in chunk["timestamp"])
        earliest = words[-1].start_s if words else first
        start = min(max(earliest if math.isnan(start) else start, earliest), last)
        end = last if math.isnan(end) else min(max(end, start), last)
        words.append(Word(text, start, end))
    return tuple(words)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the advice that transformers prints for every clip."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
