"""Bad and rare media files; each function makes one and returns its path.

Everything is made by the ffmpeg that comes with pip, in a fraction of a second a file.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

RATE_HZ = 16000
FPS = 25
SECONDS = 2


def run(stream: Any) -> None:
    """Run an ffmpeg-python graph with the packaged binary."""
    ffmpeg.run(stream, cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True, overwrite_output=True)


def picture(size: str = "160x120", seconds: float = SECONDS, fps: int = FPS) -> Any:
    """Moving test pattern without a face."""
    return ffmpeg.input(f"testsrc2=size={size}:rate={fps}:duration={seconds}", f="lavfi")


def tone(seconds: float = SECONDS, hz: int = 440, rate_hz: int = RATE_HZ) -> Any:
    """A sine."""
    return ffmpeg.input(f"sine=frequency={hz}:sample_rate={rate_hz}:duration={seconds}", f="lavfi")


def good_flv(folder: Path, name: str = "good.flv", seconds: float = SECONDS) -> Path:
    """Sorenson H.263 and mp3 at 44.1 kHz, as flv has them."""
    path = folder / name
    sound = tone(seconds, rate_hz=44100)
    run(ffmpeg.output(picture(seconds=seconds), sound, str(path), vcodec="flv1", acodec="libmp3lame", ar=44100))
    return path


def good_mp4(folder: Path, name: str = "good.mp4", seconds: float = SECONDS, **options: Any) -> Path:
    """H.264 with B-frames, a key frame every 10 frames, and AAC."""
    path = folder / name
    settings = {"vcodec": "libx264", "pix_fmt": "yuv420p", "g": 10, "acodec": "aac", "movflags": "+faststart"}
    run(ffmpeg.output(picture(seconds=seconds), tone(seconds), str(path), **(settings | options)))
    return path


def good_wav(
    folder: Path, name: str = "good.wav", seconds: float = SECONDS, codec: str = "pcm_s16le", **options: Any
) -> Path:
    """A wav in any PCM codec."""
    path = folder / name
    run(ffmpeg.output(tone(seconds), str(path), acodec=codec, **options))
    return path


def empty(folder: Path) -> Path:
    """A file of no bytes."""
    path = folder / "empty.flv"
    path.write_bytes(b"")
    return path


def not_media(folder: Path) -> Path:
    """Text under a media file's name."""
    path = folder / "text.mp4"
    path.write_text("this was never a video\n" * 100)
    return path


def no_audio(folder: Path) -> Path:
    """Video without audio."""
    path = folder / "no_audio.mp4"
    run(ffmpeg.output(picture(), str(path), vcodec="libx264", pix_fmt="yuv420p"))
    return path


def no_video(folder: Path) -> Path:
    """Audio in a container of video."""
    path = folder / "no_video.mp4"
    run(ffmpeg.output(tone(), str(path), acodec="aac"))
    return path


def cover_only(folder: Path) -> Path:
    """An audio file with a cover image, which is a video stream to the libraries."""
    path, cover = folder / "cover.m4a", folder / "cover.png"
    run(ffmpeg.output(picture(), str(cover), vframes=1))
    settings = {"acodec": "aac", "vcodec": "png", "disposition:v": "attached_pic"}
    run(ffmpeg.output(tone().audio, ffmpeg.input(str(cover)).video, str(path), **settings))
    return path


def truncated(source: Path, keep: float = 0.6) -> Path:
    """The first part of a file."""
    path = source.with_name(f"truncated_{source.name}")
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    return path


def corrupt_middle(source: Path, length: int = 4000) -> Path:
    """A file with noise instead of bytes from its middle on."""
    path = source.with_name(f"corrupt_{source.name}")
    data = bytearray(source.read_bytes())
    begin = len(data) // 2
    length = min(length, len(data) // 4)
    data[begin : begin + length] = random.Random(0).randbytes(length)
    path.write_bytes(data)
    return path


def trailing_bytes(folder: Path) -> Path:
    """A wav with two bytes behind its data, as 161 of CREMA-D's have."""
    path = good_wav(folder, "trailing.wav")
    path.write_bytes(path.read_bytes() + b"\x00\x01")
    return path


def several_streams(folder: Path) -> Path:
    """Two audio streams (440 Hz, then 1 kHz) and two video streams (160x120, then 64x64), audio first."""
    path = folder / "several.mkv"
    streams = tone(), tone(hz=1000), picture(), picture("64x64")
    run(ffmpeg.output(*streams, str(path), vcodec="libx264", pix_fmt="yuv420p", acodec="pcm_s16le"))
    return path


def data_first(folder: Path) -> Path:
    """An flv whose stream of index 0 is DATA."""
    path = good_flv(folder, "data_first.flv")
    path.write_bytes(with_data_first(path.read_bytes()))
    return path


def with_data_first(flv: bytes) -> bytes:
    """The bytes of an flv with a script tag before audio and video: a stream of data, of index 0."""
    text = b"<metadata/>"
    script = b"\x02\x00\x09onXMPData\x08\x00\x00\x00\x01\x00\x07liveXML"
    script += b"\x02" + len(text).to_bytes(2, "big") + text + b"\x00\x00\x09"
    tag = b"\x12" + len(script).to_bytes(3, "big") + bytes(7) + script
    tag += len(tag).to_bytes(4, "big")
    return flv[:13] + tag + flv[13:]


def odd_size(folder: Path) -> Path:
    """321 x 241 px."""
    path = folder / "odd_size.mp4"
    odd = ffmpeg.input(f"testsrc=size=321x241:rate={FPS}:duration={SECONDS}", f="lavfi")
    run(ffmpeg.output(odd, tone(), str(path), vcodec="libx264", pix_fmt="yuv444p", acodec="aac"))
    return path


def variable_rate(folder: Path) -> Path:
    """25 frames per second for 0.8 s, then every fifth of them."""
    path = folder / "variable_rate.mp4"
    shown = picture().filter("select", "lt(n,20)+not(mod(n,5))")
    settings = {"vcodec": "libx264", "pix_fmt": "yuv420p", "acodec": "aac", "fps_mode": "passthrough"}
    run(ffmpeg.output(shown, tone(), str(path), **settings))
    return path


def rotated(folder: Path, degrees: int = 90, mirror: bool = False) -> Path:
    """Video whose upper left quarter is white as coded, to be rotated when shown."""
    coded, path = folder / f"coded_{degrees}.mp4", folder / f"rotated_{degrees}{'_mirrored' if mirror else ''}.mp4"
    quarter = ffmpeg.input(f"color=black:size=160x120:rate={FPS}:duration=1", f="lavfi").filter(
        "drawbox", x=0, y=0, w=80, h=60, color="white", thickness="fill"
    )
    run(ffmpeg.output(quarter, str(coded), vcodec="libx264", pix_fmt="yuv420p"))
    turned = {"display_rotation": degrees, **({"display_hflip": None} if mirror else {})}
    run(ffmpeg.output(ffmpeg.input(str(coded), **turned), str(path), c="copy"))
    return path


def silence(folder: Path) -> Path:
    """A wav of zeros."""
    path = folder / "silence.wav"
    run(ffmpeg.output(ffmpeg.input(f"anullsrc=r={RATE_HZ}:cl=mono:d={SECONDS}", f="lavfi"), str(path)))
    return path


def late_audio(folder: Path, offset_s: float = 0.5) -> Path:
    """A file whose audio begins 0.5 s after its video."""
    path, sound = folder / "late_audio.mkv", good_wav(folder, "late.wav")
    late = ffmpeg.input(str(sound), itsoffset=offset_s)
    run(ffmpeg.output(picture(), late, str(path), vcodec="libx264", pix_fmt="yuv420p", acodec="pcm_s16le"))
    return path


def audio_gap(folder: Path, begin_s: float = 0.8, end_s: float = 1.2) -> Path:
    """Audio whose packets between two times are missing; the timestamps of the others are unchanged."""
    path = folder / f"gap_{begin_s}_{end_s}.mkv"
    kept = tone(4).filter("asetnsamples", 160).filter("aselect", f"not(between(t,{begin_s},{end_s - 0.001}))")
    run(ffmpeg.output(kept, str(path), acodec="pcm_s16le"))
    return path


def stereo(folder: Path, name: str = "stereo.wav", codec: str = "pcm_s16le") -> Path:
    """440 Hz on the left, silence on the right."""
    path = folder / name
    joined = ffmpeg.filter([tone(), ffmpeg.input(f"anullsrc=r={RATE_HZ}:cl=mono:d={SECONDS}", f="lavfi")], "amerge")
    run(ffmpeg.output(joined, str(path), acodec=codec))
    return path


def unprintable_name(folder: Path) -> Path:
    """A good wav whose file name is not UTF-8."""
    path = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.wav"))
    good_wav(folder, "plain.wav").rename(path)
    return path
