"""Audio tracks: word times, and a voice that follows the emotion."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affectstore.corpora._crema_d_names import SENTENCES
from affectstore.corpora.synthetic import _audio_track
from affectstore.corpora.synthetic._audio_track import RATE_HZ, AudioTrack, make_audio_track
from affectstore.corpora.synthetic._emotions import PROSODY, Prosody
from affectstore.corpora.synthetic._speak import _starts
from affectstore.corpora.synthetic._speaker import VOICES, speaker


def spoken(text: str = SENTENCES["MTI"], prosody: Prosody = PROSODY["NEU"], actor: int = 1002) -> AudioTrack:
    return make_audio_track(text, speaker(0, actor), prosody, 882, np.random.default_rng(1))


def pitch_hz(track: AudioTrack) -> float:
    """Estimate the median pitch by autocorrelation of loud 50 ms windows."""
    windows = track.voice[: len(track.voice) // 1102 * 1102].reshape(-1, 1102).astype(float)
    found = []
    for window in windows[np.sqrt((windows**2).mean(1)) > 0.5 * np.sqrt((track.voice**2).mean())]:
        correlation = np.correlate(window, window, "full")[len(window) - 1 :]
        found.append(RATE_HZ / (np.argmax(correlation[50:350]) + 50))
    return float(np.median(found))


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_words_are_in_order_and_voiced(code: str) -> None:
    track = spoken(SENTENCES[code])
    assert [word.text for word in track.words] == SENTENCES[code].split()
    edges = [edge for word in track.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[0] > 0.1
    assert edges[-1] < len(track.samples) / RATE_HZ - 0.1
    assert len(track.samples) % 882 == 0
    for word in track.words:
        assert word.end_s - word.start_s > 0.02
        assert np.abs(track.voice[int(word.start_s * RATE_HZ) : int(word.end_s * RATE_HZ)]).max() > 0.01
    outside = np.concatenate([track.voice[: int(edges[0] * RATE_HZ) - 1], track.voice[int(edges[-1] * RATE_HZ) + 2 :]])
    assert np.abs(outside).max() == 0


def test_pauses_lie_between_words() -> None:
    track = spoken(prosody=replace(PROSODY["NEU"], pause_s=0.12))
    for word, following in zip(track.words, track.words[1:], strict=False):
        assert following.start_s - word.end_s == pytest.approx(0.12, abs=0.002)
        gap = track.voice[round(word.end_s * RATE_HZ) + 300 : round(following.start_s * RATE_HZ) - 300]
        assert np.abs(gap).max() < 1e-3


def test_a_word_starts_after_the_last_phoneme_of_the_one_before() -> None:
    # "I'm on my": the event of "on" stands at the m of "I'm"; that of "my" is right
    assert _starts([0, 1856, 6528], [0, 1856, 3392, 5056, 6528, 7808], [2, 2, 2]) == [0, 3392, 6528]
    # "way to": the event at the closure of the t comes before its burst, and counts
    assert _starts([9161, 13405], [9359, 11343, 14264, 15146], [2, 2]) == [9161, 13405]


def test_same_request_same_samples() -> None:
    # espeak-ng starts its noise, of which this voice has much, from the clock's seconds unless told otherwise
    first = spoken(actor=1001)
    time.sleep(1.05)
    second = spoken(actor=1001)
    np.testing.assert_array_equal(first.samples, second.samples)
    assert first.words == second.words


def test_emotion_is_audible() -> None:
    tracks = {emotion: spoken(prosody=prosody) for emotion, prosody in PROSODY.items()}
    pitches = {emotion: pitch_hz(track) for emotion, track in tracks.items()}
    assert pitches["HAP"] > 1.1 * pitches["NEU"] > 1.2 * pitches["SAD"]
    loudness = {emotion: float(np.sqrt((track.voice**2).mean())) for emotion, track in tracks.items()}
    assert loudness["ANG"] > 1.5 * loudness["NEU"] > 2 * loudness["SAD"]
    length = {emotion: track.words[-1].end_s - track.words[0].start_s for emotion, track in tracks.items()}
    assert length["FEA"] < length["NEU"] < length["DIS"]


def test_warping_moves_words_with_their_samples() -> None:
    """A click at a word's start is at the word's start after warping, too."""
    voice = np.zeros(20_000)
    voice[12_000] = 1.0
    warped, edges = _audio_track._warp(
        voice, np.array([0.0, 12_000.0, 20_000.0]), Prosody(glide_st=5, vibrato_st=1), 0.3
    )
    assert np.argmax(warped) == pytest.approx(edges[1], abs=1)
    assert len(warped) == pytest.approx(edges[2], abs=1)


def test_tilt_is_what_it_says() -> None:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    for hz, expected_db in ((300, 0.0), (1000, -3.0), (4000, -9.0), (8000, -9.0)):
        tone = np.sin(2 * np.pi * hz * time_s)
        gain_db = 20 * np.log10(_audio_track._tilt(tone, -9.0).std() / tone.std())
        assert gain_db == pytest.approx(expected_db, abs=0.05)


def test_voices_exist() -> None:
    """For an unknown variant espeak-ng silently keeps the previous voice."""
    import espeakng_loader

    variants = Path(espeakng_loader.get_data_path()) / "voices" / "!v"
    assert all((variants / voice.split("+")[1]).is_file() for _, voice in VOICES)
