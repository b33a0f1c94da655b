"""A small copy of RAVDESS: its names in any of its archives' layouts, with short audio and video files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from affectstore.corpora._ravdess_names import SONG, SPEECH, Recording, parse, recordings
from support import odd_media
from support.wav import wav_of_sine

RATE_HZ = 48000
#: Layout -> folder of a file, given its kind ("Audio" or "Video"), its channel ("Speech" or "Song") and its actor.
LAYOUTS: Mapping[str, str] = {
    "flat": ".",
    "actors": "Actor_{actor}",
    "archives": "{kind}_{channel}_{archive}/Actor_{actor}",
    "nested": "download/ravdess/{kind}_{channel}_{archive}/Actor_{actor}",
}

ANGRY, NEUTRAL, CALM, SUNG = "01-05-02-01-01-12", "01-01-01-02-01-12", "01-02-01-02-02-07", "02-03-01-01-01-07"
#: Every kind of file: two recordings as wav and mp4, one mp4 without sound, one song.
FILES = (
    f"03-{ANGRY}.wav",
    f"01-{ANGRY}.mp4",
    f"02-{ANGRY}.mp4",
    f"03-{NEUTRAL}.wav",
    f"02-{NEUTRAL}.mp4",
    f"03-{CALM}.wav",
    f"03-{SUNG}.wav",
    f"01-{SUNG}.mp4",
)


@cache
def sound(hz: float = 220.0, seconds: float = 0.25, channels: int = 1) -> bytes:
    """Make a wav file as the corpus' are; of two channels, the right one is silent."""
    return wav_of_sine(hz, seconds, RATE_HZ, channels)


def film(folder: Path, sounding: bool) -> bytes:
    """Make an mp4 file of a quarter of a second, with or without audio."""
    path = folder / f"film_{sounding}.mp4"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if sounding:
            odd_media.good_mp4(folder, path.name, seconds=0.25)
        else:
            odd_media.run(
                odd_media.ffmpeg.output(
                    odd_media.picture(seconds=0.25), str(path), vcodec="libx264", pix_fmt="yuv420p", g=10
                )
            )
    return path.read_bytes()


def where(name: str, layout: str) -> str:
    """Path of a file, relative to the root."""
    _, recording = parse(name.partition(".")[0])
    sounding = name.lower().endswith(".wav")
    folder = LAYOUTS[layout].format(
        kind="Audio" if sounding else "Video",
        channel="Song" if recording.channel == SONG else "Speech",
        actor=recording.actor,
        archive="Actors_01-24" if sounding else f"Actor_{recording.actor}",
    )
    return f"{folder}/{name}".removeprefix("./")


def write(root: Path, names: Iterable[str], layout: str = "archives", content: bytes | None = None) -> list[str]:
    """Write files by name, such as 03-01-05-02-01-01-12.wav; return their paths.

    Args:
        root: Folder of the corpus.
        names: Names of the files; no two wavs are alike.
        layout: A key of `LAYOUTS`.
        content: Content of every file; by default audio, or video with audio (01) or without (02).
    """
    paths = []
    for number, name in enumerate(names):
        path = root / where(name, layout)
        path.parent.mkdir(parents=True, exist_ok=True)
        made = content
        if made is None and name.lower().endswith(".wav"):
            made = sound(200.0 + 10 * number)
        elif made is None:
            made = film(root.with_name(f"{root.name}_films"), name.startswith("01"))
        path.write_bytes(made)
        paths.append(where(name, layout))
    return paths


def write_every_kind(root: Path) -> Path:
    """Write `FILES`; return the root."""
    write(root, FILES)
    return root


def reasons(found: Any) -> dict[str, str]:
    """Path, or id of the clip, of each file left out -> reason."""
    return {skip.path or skip.clip_id: skip.reason for skip in found.skipped}


def notes(found: Any) -> str:
    """Notes of a listing, one per line."""
    return "\n".join(found.notes)


def performed(actors: Iterable[str], channel: str = SPEECH) -> list[Recording]:
    """Every recording of some actors."""
    actors = set(actors)
    return [recording for recording in recordings(channel) if recording.actor in actors]


def example(root: Path) -> dict[str, str]:
    """Write the example of the contract tests; return its options."""
    write(root, ["03-01-05-02-01-01-12.wav", "01-01-05-02-01-01-12.mp4"])
    return {}
