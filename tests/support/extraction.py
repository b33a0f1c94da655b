"""Extractors that run on one file, with the features that they read."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from affectstore.features.base import BaseExtractor, Clip, Media, Source, build
from affectstore.store.clip_arrays import ClipArrays
from affectstore.testing.extractor import check_arrays
from affectstore.timeline import Grid


def extract(
    name: str,
    path: Path | None,
    options: Mapping[str, Any] | None = None,
    *,
    upstream: Mapping[str, Mapping[str, Any]] | None = None,
    segment: tuple[Fraction, Fraction | None] = (Fraction(0), None),
    words: Path | None = None,
    **fields: Any,
) -> ClipArrays:
    """Extract a feature of the clip in a file, after the features that it reads.

    Args:
        name: Name of the extractor.
        path: File of audio and video.
        options: Options of the extractor.
        upstream: Options of the extractors it reads, by name; those not named keep their defaults.
        segment: Start and end of the clip in the file.
        words: File of word times.
        fields: `text` and `face_side` of the clip.
    """
    extractor = chain(name, options, upstream)
    source = None if path is None else Source(path, *segment)
    return run(extractor, Media(source, source, words), **fields)


def both(path: Path) -> Media:
    """Media of a clip whose audio and video are in one file."""
    return Media(Source(path), Source(path))


def chain(
    name: str, options: Mapping[str, Any] | None = None, upstream: Mapping[str, Mapping[str, Any]] | None = None
) -> BaseExtractor:
    """Build an extractor with those it reads."""
    given = dict(upstream or {})
    needs = build(name, options).upstream
    return build(name, options, {need: chain(need, given.get(need), given) for need in needs})


def run(extractor: BaseExtractor, media: Media, **fields: Any) -> ClipArrays:
    """Extract, and hold the result to the extractor's declaration."""
    sources = {need: run(source, media, **fields) for need, source in extractor.upstream.items()}
    extracted = extractor.extract(Clip("clip", media, sources, **fields))
    check_arrays(extractor, extracted)
    return extracted


def of_samples(
    extractor: BaseExtractor, samples: np.ndarray, rate_hz: int = 16000, start: Fraction = Fraction(0)
) -> ClipArrays:
    """Extract a feature that reads `audio` alone from int16 samples."""
    return extractor.extract(Clip("clip", Media(), {"audio": sound(samples, rate_hz, start)}))


def spans(transcript: ClipArrays) -> list[tuple[str, float, float]]:
    """List the words of a transcript with start and end, rounded to microseconds."""
    words, times, ends = (transcript.arrays[name] for name in ("values", "times", "ends"))
    return list(zip(words.tolist(), times.round(6).tolist(), ends.round(6).tolist(), strict=True))


def sound(samples: np.ndarray, rate_hz: int = 16000, start: Fraction = Fraction(0)) -> ClipArrays:
    """Output of the extractor `audio` for int16 samples."""
    return ClipArrays({"values": samples}, Grid(start, Fraction(rate_hz)))
