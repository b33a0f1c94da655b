"""A folder laid out as CREMA-D with a few good clips and one of each kind of bad file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ffmpeg

from support import odd_media, small_crema_d

#: Files and clips that the scan leaves out: path or clip -> words of the reason.
SKIPPED: Mapping[str, str] = {
    "1011_DFA_ANG_XX": "listed in SentenceFilenames.csv",  # named in the table, not there
    "VideoFlash/1011_DFA_DIS_XX.flv": "the file is missing",  # a link to nothing
    "VideoFlash/1011_DFA_FEA_XX.flv": "empty (0 bytes)",
    "VideoFlash/1011_DFA_HAP_XX.flv": "cannot be opened as media",  # text
    "VideoFlash/1011_DFA_NEU_XX.flv": "not a regular file",  # a folder
    "VideoFlash/1011_DFA_SAD_XX.flv": "no permission",
    "VideoFlash/1011_IEO_\\xff.flv": "not UTF-8",
    "VideoFlash/1012_DFA_NEU_XX.FLV": "a second file for the same name",
    "VideoFlash/notes.txt": "not a .flv file",
}

_AUDIO = ("audio", "mel", "mel_image", "mel_chunks")
_VIDEO = ("frames", "faces", "mel_chunks")

#: Clips that some feature cannot be extracted from: clip -> feature -> words of the reason.
FAILED: Mapping[str, Mapping[str, str]] = {
    "1012_IEO_ANG_LO": {**dict.fromkeys(_AUDIO, "truncated"), "frames": "damaged", "faces": "truncated"},
    "1012_IEO_ANG_MD": dict.fromkeys(_AUDIO, "no audio stream"),
    "1012_IEO_ANG_HI": dict.fromkeys(_VIDEO, "no video stream"),
    "1012_IEO_DIS_LO": dict.fromkeys(_AUDIO, "damaged"),
    "1012_DFA_FEA_XX": {"faces": "no face found"},
    "1012_DFA_HAP_XX": dict.fromkeys(("mel", "mel_image", "mel_chunks"), "silent"),
}

#: Odd clips that every feature is extracted from.
ODD = (
    "1012_DFA_NEU_XX",  # the file beside its double
    "1012_IEO_DIS_MD",  # several streams, audio first
    "1012_IEO_DIS_HI",  # a stream of data first
    "1012_IEO_FEA_LO",  # 321 x 241 px
    "1012_IEO_FEA_MD",  # variable frame rate
    "1012_IEO_FEA_HI",  # coded on its side, with a rotation
)


def make(folder: Path, clips: int = 6) -> list[str]:
    """Fill `folder`; return the ids of the good clips.

    Args:
        folder: New folder of the corpus.
        clips: Number of good clips.
    """
    from affectstore.corpora import synthetic

    generated = folder.with_name("generated")
    synthetic.prepare(generated, {"clips": clips, "seed": 0})
    media = folder / "VideoFlash"
    media.mkdir(parents=True)
    sources = sorted((generated / "video").glob("*.mp4"))
    for source in sources:
        shutil.copyfile(source, media / f"{source.stem}.flv")
    good = [source.stem for source in sources]
    _odd(sources[0], media, folder.with_name("odd"))
    _broken(sources[0], media)
    listed = [*good, *ODD, *FAILED, *(f"1011_DFA_{e}_XX" for e in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"))]
    small_crema_d.write_list(folder, listed)
    return good


def _cut(source: Path, seconds: float = 1.0) -> tuple[Any, Any]:
    stream = ffmpeg.input(str(source), t=seconds)
    return stream.video, stream.audio


def _write(path: Path, *streams: Any, **options: Any) -> None:
    settings = {"vcodec": "libx264", "pix_fmt": "yuv420p", "acodec": "aac", "f": "mp4", "g": 10}
    odd_media.run(ffmpeg.output(*streams, str(path), **(settings | options)))


def _odd(source: Path, media: Path, work: Path) -> None:
    work.mkdir()
    video, audio = _cut(source)
    _write(media / "1012_DFA_NEU_XX.flv", video, audio)
    shutil.copyfile(media / "1012_DFA_NEU_XX.flv", media / "1012_DFA_NEU_XX.FLV")
    several = {"f": "matroska", "acodec": "pcm_s16le"}
    _write(media / "1012_IEO_DIS_MD.flv", audio, odd_media.tone(1), video, odd_media.picture("64x64", 1), **several)
    flv = work / "plain.flv"
    flash = {"f": "flv", "vcodec": "flv1", "acodec": "libmp3lame", "ar": 44100, "video_bitrate": "1M"}
    _write(flv, video, audio, **flash)
    (media / "1012_IEO_DIS_HI.flv").write_bytes(odd_media.with_data_first(flv.read_bytes()))
    _write(media / "1012_IEO_FEA_LO.flv", video.filter("scale", 321, 241), audio, pix_fmt="yuv444p")
    uneven = video.filter("select", "lt(n,12)+not(mod(n,5))")
    _write(media / "1012_IEO_FEA_MD.flv", uneven, audio, fps_mode="passthrough")
    lying = work / "lying.mp4"
    _write(lying, video.filter("transpose", 1), audio)
    _write_copy(lying, media / "1012_IEO_FEA_HI.flv", display_rotation=90)
    mute = ffmpeg.input("anullsrc=r=16000:cl=mono:d=1", f="lavfi")
    _write(media / "1012_DFA_HAP_XX.flv", video, mute)


def _write_copy(source: Path, path: Path, **options: Any) -> None:
    odd_media.run(ffmpeg.output(ffmpeg.input(str(source), **options), str(path), c="copy", f="mp4"))


def _broken(source: Path, media: Path) -> None:
    video, audio = _cut(source)
    whole = media / "whole"
    flash = {"f": "flv", "vcodec": "flv1", "acodec": "libmp3lame", "ar": 44100}
    _write(whole, video, audio, **flash)
    odd_media.truncated(whole).rename(media / "1012_IEO_ANG_LO.flv")
    _write(media / "1012_IEO_ANG_MD.flv", video)
    _write(media / "1012_IEO_ANG_HI.flv", audio)
    _write(whole, video, audio, movflags="+faststart")
    odd_media.corrupt_middle(whole).rename(media / "1012_IEO_DIS_LO.flv")
    whole.unlink()
    _write(media / "1012_DFA_FEA_XX.flv", odd_media.picture(seconds=1), audio)
    (media / "1011_DFA_DIS_XX.flv").symlink_to("nowhere.flv")
    (media / "1011_DFA_FEA_XX.flv").touch()
    (media / "1011_DFA_HAP_XX.flv").write_text("this was never a video\n" * 100)
    (media / "1011_DFA_NEU_XX.flv").mkdir()
    locked = media / "1011_DFA_SAD_XX.flv"
    shutil.copyfile(source, locked)
    locked.chmod(0)
    (Path(os.fsdecode(os.fsencode(media) + b"/1011_IEO_\xff.flv"))).write_bytes(source.read_bytes())
    (media / "notes.txt").write_text("not a clip\n")
