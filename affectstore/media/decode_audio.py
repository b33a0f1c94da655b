"""Audio of a clip as 16-bit samples at its own rate, decoded by PyAV (5 ms per clip; an ffmpeg process takes 72)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np

from affectstore.media.stream import MAX_GAP_S, SHORTFALL_S, MediaStream, exact, open_stream

Channel = Literal["mix", "left", "right"] | int

#: Timestamps and sample counts may differ by this much before samples are added or dropped: containers round
#: timestamps to the millisecond, and the clock of a recording device drifts.
DRIFT_S = 0.05


@dataclass(frozen=True)
class AudioSegment:
    """Samples of one channel.

    Attributes:
        samples: Samples, int16 (sample,).
        start: Time of the first sample, in seconds from the start of the clip.
        rate_hz: Samples per second.
    """

    samples: np.ndarray
    start: Fraction
    rate_hz: int


def decode_audio(
    path: Path, start_s: Fraction = Fraction(0), end_s: Fraction | None = None, channel: Channel = "mix"
) -> AudioSegment:
    """Decode the samples of the first audio stream in [start_s, end_s).

    Time 0 of the clip is `start_s` on the container's clock. Sample k is at k/rate after the stream's first timestamp;
    a gap in later timestamps is filled with silence, and samples that an overlap repeats are dropped.

    Args:
        path: The media file.
        start_s, end_s: The segment; 0 and None for all.
        channel: "mix" for the mean of all channels, "left", "right" or a channel's number from 0.

    Raises:
        ClipError: The file cannot be read, is damaged, lacks the channel, or has no audio in this time.
    """
    start_s, end_s = exact(start_s), None if end_s is None else exact(end_s)
    with open_stream(path, "audio") as stream:
        parts: list[np.ndarray] = []
        origin: Fraction | None = None
        rate = position = kept_from = 0
        last: int | None = None
        for frame in stream.frames(start_s):
            if origin is None:
                rate = frame.sample_rate
                origin = Fraction(0) if frame.pts is None else frame.pts * frame.time_base
                kept_from = max(0, math.ceil((start_s - origin) * rate))
                last = None if end_s is None else math.ceil((end_s - origin) * rate)
            if frame.sample_rate != rate:
                raise stream.error(f"the sampling rate changes from {rate} to {frame.sample_rate} Hz")
            block = _channels(frame)
            if parts and len(block) != len(parts[0]):
                raise stream.error(f"the sound changes from {len(parts[0])} to {len(block)} channels")
            block, position = _in_place(stream, block, frame, origin, position, rate, kept_from)
            begin = position - block.shape[1]
            if last is not None and begin >= last:
                break
            first = max(kept_from - begin, 0)
            block = block[:, first : block.shape[1] if last is None else last - begin]
            if block.shape[1]:
                parts.append(block)
        if origin is None:
            raise stream.error("no sound could be decoded: the audio stream holds no samples")
        end = origin + Fraction(position, rate)
        if not parts:
            raise stream.error(
                f"no sound between {float(start_s):.3f} and {float(end if end_s is None else end_s):.3f} s; "
                f"the sound spans {float(origin):.3f} to {float(end):.3f} s"
            )
        if end_s is not None and end < end_s - SHORTFALL_S:
            raise stream.error(f"the sound ends at {float(end):.3f} s, the clip at {float(end_s):.3f} s")
        samples = _one_channel(stream, np.concatenate(parts, axis=1), channel)
        return AudioSegment(samples, origin + Fraction(kept_from, rate) - start_s, rate)


def to_int16(samples: np.ndarray) -> np.ndarray:
    """Convert samples of any PCM type, on its own full scale, to int16 by rounding; floats beyond +-1 are clipped."""
    if samples.dtype == np.int16:
        return samples
    return np.clip(np.rint(_on_scale(samples)), -32768, 32767).astype(np.int16)


def _on_scale(samples: np.ndarray) -> np.ndarray:
    """Convert samples to float64 on the scale of int16."""
    values = samples.astype(np.float64)
    if samples.dtype.kind == "f":
        return values * 32768
    if samples.dtype == np.uint8:
        return (values - 128) * 256
    return values / 2.0 ** (8 * samples.dtype.itemsize - 16)


def _one_channel(stream: MediaStream, samples: np.ndarray, channel: Channel) -> np.ndarray:
    if channel == "mix":
        return to_int16(samples[0]) if len(samples) == 1 else _rounded(_on_scale(samples).mean(axis=0))
    index = {"left": 0, "right": 1}.get(channel, channel) if isinstance(channel, str) else channel
    if not 0 <= int(index) < len(samples):
        raise stream.error(f"has no channel {channel!r}: its sound has {len(samples)} (0 to {len(samples) - 1})")
    return to_int16(samples[int(index)])


def _rounded(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), -32768, 32767).astype(np.int16)


def _channels(frame: Any) -> np.ndarray:
    """Read the samples of a frame: (channel, sample)."""
    values = frame.to_ndarray()
    return values if frame.format.is_planar else values.reshape(-1, len(frame.layout.channels)).T


def _in_place(
    stream: MediaStream, block: np.ndarray, frame: Any, origin: Fraction, position: int, rate: int, kept_from: int
) -> tuple[np.ndarray, int]:
    """Fill a gap before the block with silence, or drop samples that earlier blocks hold.

    Returns:
        The block and the position behind it, in samples since `origin`.
    """
    if frame.pts is None:
        return block, position + block.shape[1]
    expected_s = float(origin) + position / rate
    if abs(frame.time - expected_s) > DRIFT_S:
        drift = frame.pts * frame.time_base - origin - Fraction(position, rate)
        shift = round(drift * rate)
        if shift > 0:
            if drift > MAX_GAP_S and position + shift > kept_from:
                begin = origin + Fraction(position, rate)
                raise stream.error(
                    f"no sound between {float(begin):.3f} and {float(begin + drift):.3f} s: the file is damaged there"
                )
            silence = 128 if block.dtype == np.uint8 else 0
            block = np.concatenate([np.full((len(block), shift), silence, block.dtype), block], axis=1)
        else:
            block = block[:, -shift:]
    return block, position + block.shape[1]
