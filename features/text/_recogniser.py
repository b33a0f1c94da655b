"""Speech recognition by models of transformers: wav2vec 2.0 and others with a CTC head, and Whisper.

Decoding is greedy, so a recording gives the same words each time. A CTC head says in which of its frames (20 ms)
each letter is heard: word times are exact to the frame. Whisper's come from its cross-attention (dynamic
time warping), where its generation configuration names the heads; where not, words have no times.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from affectstore.errors import ClipError, ConfigError
from affectstore.features.audio._sound import Sound
from affectstore.features.device import device, repeatable
from affectstore.features.text._tokens import plain_apostrophes, tokenise
from affectstore.media.words import Word
from affectstore.weights.hub import ModelFolder
from affectstore.weights.hub_load import load_model, load_part

#: Longer sound is recognised in pieces of this length; Whisper has its own way.
_CTC_PIECE_S = 30
#: Used in training only, and missing in published models.
_UNUSED = ("masked_spec_embed",)


class Recogniser:
    """A model for speech recognition, loaded by the first recording.

    Args:
        found: its folder.
        language: what is spoken, for models that know several languages; None lets Whisper find out.

    Raises:
        ConfigError: it is neither a model with a CTC head nor a Whisper.
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

    def words(self, sound: Sound) -> tuple[Word, ...]:
        """What is said, word by word; none where nothing was recognised.

        Raises:
            ClipError: the sound is too short for the model.
            ConfigError: the model cannot be loaded.
        """
        import soxr

        pipeline = self._pipeline
        rate_hz = pipeline.feature_extractor.sampling_rate
        samples = sound.samples if sound.rate_hz == rate_hz else soxr.resample(sound.samples, sound.rate_hz, rate_hz)
        frames = 1 if self._whisper else int(pipeline.model._get_feat_extract_output_lengths(len(samples)))
        if frames < 1:
            raise ClipError(f"the sound of {float(sound.duration):.3f} s is too short for the speech recogniser")
        with repeatable(), _quiet():
            given = pipeline({"raw": samples, "sampling_rate": rate_hz}, **self._settings)
        if "chunks" not in given:
            return tokenise(given["text"])
        return _timed(given["chunks"], sound)

    @cached_property
    def _pipeline(self) -> Any:
        from transformers import AutomaticSpeechRecognitionPipeline

        found = self._found
        with _quiet():
            return AutomaticSpeechRecognitionPipeline(
                model=load_model("AutoModelForSpeechSeq2Seq" if self._whisper else "AutoModelForCTC", found, _UNUSED),
                tokenizer=load_part("AutoTokenizer", found),
                feature_extractor=load_part("AutoFeatureExtractor", found),
                device=device(),
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


def _timed(chunks: list[dict[str, Any]], sound: Sound) -> tuple[Word, ...]:
    """Words in the order of their starts, inside of the sound."""
    first, last = float(sound.start), float(sound.start + sound.duration)
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
    """Without transformers' advice on every clip."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
