"""Wav files in memory."""

from __future__ import annotations

import io
import wave

import numpy as np


def wav_of_sine(hz: float, seconds: float, rate_hz: int, channels: int = 1) -> bytes:
    """Make a wav file with a sine in its first channel and silence in the others."""
    samples = np.zeros((round(seconds * rate_hz), channels))
    samples[:, 0] = 8000 * np.sin(2 * np.pi * hz * np.arange(len(samples)) / rate_hz)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())
    return buffer.getvalue()
