"""Generation of one clip: from its name to its files."""

from __future__ import annotations

import tempfile
import wave
from math import gcd
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from affectstore.corpora._crema_d_names import SENTENCES, Name
from affectstore.corpora.synthetic._audio_track import RATE_HZ, AudioTrack, Word, make_audio_track
from affectstore.corpora.synthetic._emotions import (
    EXPRESSION_NOISE,
    EXPRESSIONS,
    LOOKS_LIKE,
    PROSODY,
    PROSODY_NOISE,
    SOUNDS_LIKE,
    STRENGTH,
    sample_manner,
)
from affectstore.corpora.synthetic._frames import mouth_opening, render_frames
from affectstore.corpora.synthetic._layout import VIDEO, WORDS
from affectstore.corpora.synthetic._options import Options
from affectstore.corpora.synthetic._random import generator
from affectstore.corpora.synthetic._speaker import speaker
from affectstore.errors import CorpusError


def make(root: Path, name: Name, options: Options) -> Path:
    """Generate a clip's video and word times; each file is moved into place when it is complete.

    Their contents depend on the name and on the options other than `clips`, not on other clips.

    Returns:
        Path of the video.

    Raises:
        CorpusError: espeak-ng or ffmpeg fails.
    """
    own = EXPRESSIONS[name.emotion], PROSODY[name.emotion]
    other = EXPRESSIONS[LOOKS_LIKE[name.emotion]], PROSODY[SOUNDS_LIKE[name.emotion]]
    strength = STRENGTH[name.level]
    person = speaker(options.seed, int(name.actor))
    # These names are part of the seeds: others would give other clips.
    audio_rng = generator(options.seed, "sound", str(name))
    video_rng = generator(options.seed, "picture", str(name))

    prosody = sample_manner(own[1], other[1], PROSODY_NOISE, strength, audio_rng)
    # The audio ends with the last frame: its length is a multiple of the shortest time with whole samples and frames.
    multiple = RATE_HZ // gcd(RATE_HZ, options.fps)
    track = make_audio_track(SENTENCES[name.sentence], person, prosody, multiple, audio_rng)
    count = len(track.samples) * options.fps // RATE_HZ
    look = sample_manner(own[0], other[0], EXPRESSION_NOISE, strength, video_rng)
    mouth = mouth_opening(track.voice, count)
    frames = render_frames(person, look, mouth, options.fps, (options.width_px, options.height_px), video_rng)

    video = root / VIDEO / f"{name}.mp4"
    with tempfile.TemporaryDirectory(dir=root, prefix=".making-") as folder:
        made = Path(folder)
        _encode(b"".join(frame.tobytes() for frame in frames), track, options, made)
        (made / "words.tsv").write_text(_table(track.words), encoding="utf-8")
        (made / "words.tsv").replace(root / WORDS / f"{name}.tsv")
        (made / "clip.mp4").replace(video)
    return video


def _encode(frames: bytes, track: AudioTrack, options: Options, folder: Path) -> None:
    with wave.open(str(folder / "audio.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(track.samples.astype("<i2").tobytes())
    video = ffmpeg.input(
        "pipe:",
        format="rawvideo",
        pix_fmt="rgb24",
        s=f"{options.width_px}x{options.height_px}",
        framerate=options.fps,
    )
    audio = ffmpeg.input(str(folder / "audio.wav"))
    # One thread and no version strings: the bytes depend on the frames and the samples alone.
    output = ffmpeg.output(
        video,
        audio,
        str(folder / "clip.mp4"),
        vcodec="libx264",
        preset="veryfast",
        crf=21,
        pix_fmt="yuv420p",
        acodec="aac",
        audio_bitrate="64k",
        threads=1,
        map_metadata=-1,
        movflags="+faststart",
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "flags:a": "+bitexact"},
    )
    try:
        output.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), input=frames, quiet=True)
    except ffmpeg.Error as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise CorpusError(f"ffmpeg could not write a clip: {lines[-1] if lines else error}") from error


def _table(words: tuple[Word, ...]) -> str:
    rows = [f"{word.text}\t{word.start_s:.4f}\t{word.end_s:.4f}\n" for word in words]
    return "word\tstart_s\tend_s\n" + "".join(rows)
