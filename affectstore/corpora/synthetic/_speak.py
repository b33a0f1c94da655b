"""Speak one text with espeak-ng, in a process of its own.

espeak-ng keeps state between calls, so its samples depend on earlier texts: with a new process per text and a fixed
seed of its noise, the same request gives the same samples. This file is run as a script, without the package, because
an interpreter that imports only ctypes starts in 20 ms.

Request (JSON on standard input): library, data (paths), voice, text, rate_wpm, pitch, pitch_range.
Answer (standard output): one line of JSON (rate_hz, words: sample of each word's start, end: sample where
the last one ends), then the samples as int16 in the machine's byte order.
"""

from __future__ import annotations

import ctypes
import json
import sys

# From speak_lib.h of espeak-ng 1.52.
SYNCHRONOUS = 2
WANT_PHONEME_EVENTS = 1
CHARS_UTF8 = 1
RATE, PITCH, PITCH_RANGE = 1, 3, 4
LIST_END, WORD, PHONEME = 0, 1, 7


class Event(ctypes.Structure):
    """Struct `espeak_EVENT` of speak_lib.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("string", ctypes.c_char * 8),
    )


def speak(request: dict) -> tuple[dict, bytes]:
    """Speak a text; return the answer without samples, and the samples."""
    library = ctypes.CDLL(request["library"])
    pieces: list[bytes] = []
    words: list[int] = []
    phonemes: list[tuple[int, bytes]] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event))
    def take(samples, count, events):  # type: ignore[no-untyped-def]
        if count > 0:
            pieces.append(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].type != LIST_END:
            if events[index].type == WORD:
                words.append(events[index].sample)
            elif events[index].type == PHONEME:
                phonemes.append((events[index].sample, events[index].string))
            index += 1
        return 0

    rate_hz = library.espeak_Initialize(SYNCHRONOUS, 0, request["data"].encode(), WANT_PHONEME_EVENTS)
    if rate_hz <= 0:
        raise SystemExit(f"espeak-ng did not start with the voices of {request['data']}")
    # Noise of breath and consonants comes from a generator that is seeded by the clock.
    library.espeak_ng_SetRandSeed(ctypes.c_long(1))
    library.espeak_SetSynthCallback(take)
    if library.espeak_SetVoiceByName(request["voice"].encode()) != 0:
        raise SystemExit(f"espeak-ng has no voice {request['voice']!r}")
    for parameter, key in ((RATE, "rate_wpm"), (PITCH, "pitch"), (PITCH_RANGE, "pitch_range")):
        library.espeak_SetParameter(parameter, int(request[key]), 0)
    text = request["text"].encode()
    sizes = _phonemes_per_word(library, text)
    library.espeak_Synth(text, len(text) + 1, 0, 1, 0, CHARS_UTF8, None, None)

    spoken = [(sample, name) for sample, name in phonemes if not name.startswith(b"_")]
    if not (len(words) == len(sizes) == len(request["text"].split()) and len(spoken) == sum(sizes)):
        raise SystemExit(
            f"espeak-ng gave {len(words)} words and {len(spoken)} phonemes for {request['text']!r}, "
            f"expected {len(sizes)} and {sum(sizes)}"
        )
    ends = [sample for sample, name in phonemes if name.startswith(b"_") and sample >= spoken[-1][0]]
    samples = b"".join(pieces)
    answer = {
        "rate_hz": rate_hz,
        "words": _starts(words, [sample for sample, _ in spoken], sizes),
        "end": min([*ends, len(samples) // 2]),
    }
    return answer, samples


def _phonemes_per_word(library: ctypes.CDLL, text: bytes) -> list[int]:
    separated = 1 | ord("_") << 8
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int)
    position = ctypes.c_char_p(text)
    written = library.espeak_TextToPhonemes(ctypes.byref(position), CHARS_UTF8, separated)
    return [len([phoneme for phoneme in word.split(b"_") if phoneme]) for word in written.split()]


def _starts(words: list[int], phonemes: list[int], sizes: list[int]) -> list[int]:
    # A word event is at the beginning of a stop's closure, its first phoneme event at the burst: the closure belongs to
    # the word. But after some sonorants ("I'm on") the event comes one phoneme early; then the first phoneme counts.
    starts, first = [], 0
    for event, size in zip(words, sizes, strict=True):
        early = first > 0 and phonemes[first - 1] >= event
        starts.append(phonemes[first] if early else event)
        first += size
    return starts


if __name__ == "__main__":
    answer, samples = speak(json.load(sys.stdin))
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + samples)
