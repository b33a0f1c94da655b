"""RAVDESS: 24 actors speak and sing two statements in 8 (sung: 6) emotions, with video and audio.

A clip is a recording; its id is the files' name without the modality (`01-05-02-01-01-12`), which pairs video and
audio. Speech alone is the default: 1,440 clips of 8 classes. Song (1,012) has no disgust and no surprise.

Source: Livingstone & Russo (2018), The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS): A
dynamic, multimodal set of facial and vocal expressions in North American English, PLoS ONE 13(5), e0196391.
The six folds of four actors each are those of other work on this corpus.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora._listing import check_root, printable
from affectstore.corpora._ravdess_files import MAX_DEPTH, Files, find_files
from affectstore.corpora._ravdess_names import (
    AUDIO_ONLY,
    AUDIO_VIDEO,
    CHANNELS,
    EMOTIONS,
    INTENSITIES,
    LABELS,
    MODALITIES,
    SONG,
    SPEECH,
    STATEMENTS,
    TEXTS,
    VIDEO_ONLY,
    Recording,
    recordings,
)
from affectstore.corpora.base import Card, ScanResult, SkippedClip, clips_table
from affectstore.errors import CorpusError

#: The counts are of speech, the default.
CARD = Card(
    name="ravdess",
    title="RAVDESS: Ryerson Audio-Visual Database of Emotional Speech and Song",
    licence="CC BY-NC-SA 4.0",
    citation="Livingstone, S. R., & Russo, F. A. (2018). The Ryerson Audio-Visual Database of Emotional Speech and "
    "Song (RAVDESS): A dynamic, multimodal set of facial and vocal expressions in North American English. PLoS ONE, "
    "13(5), e0196391. https://doi.org/10.1371/journal.pone.0196391",
    url="https://doi.org/10.5281/zenodo.1188976",
    labels=tuple(LABELS),
    label_names=LABELS,
    counts={
        "clips": 1440,
        "speakers": 24,
        "sentences": 2,
        **{f"label:{label}": 96 if label == "NEU" else 192 for label in LABELS},
        "level:normal": 768,
        "level:strong": 672,
    },
    duplicates={"01-03-01-02-02-07": "01-03-01-02-01-07"},
    folds=(
        ("01", "11", "20", "21"),
        ("04", "10", "12", "14"),
        ("08", "09", "19", "23"),
        ("03", "05", "07", "24"),
        ("02", "15", "16", "18"),
        ("06", "13", "17", "22"),
    ),
)

#: Recordings with a stereo wav; the others are mono.
_STEREO = (
    "01-02-01-01-02-01",
    "01-02-01-02-02-05",
    "01-03-01-02-01-20",
    "01-06-01-01-02-20",
    "01-08-01-02-02-01",
)
_LOOKED_FOR = (
    f"files named like 03-01-05-02-01-01-12.wav and 01-01-05-02-01-01-12.mp4, up to {MAX_DEPTH} folders deep "
    "(Actor_12/, Audio_Speech_Actors_01-24/Actor_12/, Video_Speech_Actor_12/Actor_12/, ...)"
)
_WANTED = {"speech": (SPEECH,), "song": (SONG,), "both": (SPEECH, SONG)}


class Options(Settings):
    """Options of the corpus in config.yaml."""

    channel: Literal["speech", "song", "both"] = Field(
        default="speech", description="Recordings that are clips. Song has no disgust and no surprise."
    )
    audio: Literal["auto", "wav", "mp4"] = Field(
        default="auto",
        description="Source of the audio of all clips: the wav files or the audio streams of the mp4 files; `auto`: "
        "the wavs if there are any.",
    )


def find(root: Path, options: Mapping[str, Any]) -> ScanResult:
    """Find the recordings of a complete or partial copy, in any layout of its archives.

    Args:
        root: Folder that holds the files, at any depth up to `MAX_DEPTH`.
        options: Fields of `Options`.

    Raises:
        CorpusError: The folder is missing, or holds no recording of the chosen kind.
    """
    check_root(CARD.name, root, _LOOKED_FOR, CARD.url)
    wanted = Options(**options)
    files = find_files(root)
    channels = _WANTED[wanted.channel]
    made = [recording for channel in channels for recording in recordings(channel)]
    here = [recording for recording in made if any(recording in paths for paths in files.paths.values())]
    audio, video = _media(files, here, wanted.audio)
    clips = [recording for recording in here if recording in audio or recording in video]
    if not clips:
        raise _nothing(root, wanted, files)
    mute = [recording for recording in here if recording not in audio and recording not in video]
    reason = f"no video, and no audio of the chosen kind (options.audio: {wanted.audio})"
    skipped = [*files.skipped, *(SkippedClip(str(r), files.paths[AUDIO_ONLY][r], reason) for r in mute)]
    absent, missing = _absent(made, here)
    return ScanResult(
        _table(clips, audio, video),
        tuple(sorted((*skipped, *missing), key=lambda skip: (skip.clip_id, skip.path))),
        absent,
        root,
        tuple(_notes(made, clips, audio, video, files, wanted)),
        expected=_expected(made),
    )


def _media(
    files: Files, here: Sequence[Recording], wanted: str
) -> tuple[Mapping[Recording, str], Mapping[Recording, str]]:
    """Return recording -> file of its audio, and recording -> file of its video.

    All audio comes from one kind of file: wav and mp4 differ in codec, which a network could learn instead.
    """
    both, blind, mute = (files.paths[modality] for modality in (AUDIO_VIDEO, AUDIO_ONLY, VIDEO_ONLY))
    if wanted == "auto":
        wanted = "wav" if any(recording in blind for recording in here) else "mp4"
    return {"wav": blind, "mp4": both}[wanted], {**mute, **both}


def _expected(made: Sequence[Recording]) -> dict[str, int]:
    """Count the recordings as the card does."""
    return {
        "clips": len(made),
        "speakers": len({recording.actor for recording in made}),
        "sentences": len({recording.statement for recording in made}),
        **{f"label:{EMOTIONS[code]}": n for code, n in sorted(Counter(r.emotion for r in made).items())},
        **{f"level:{INTENSITIES[code]}": n for code, n in sorted(Counter(r.intensity for r in made).items())},
    }


def _nothing(root: Path, wanted: Options, files: Files) -> CorpusError:
    found = Counter(CHANNELS[recording.channel] for paths in files.paths.values() for recording in paths)
    there = ", ".join(f"{count} files of {channel}" for channel, count in found.items())
    if not there:
        there = ", ".join(sorted(printable(path.name) for path in root.iterdir())[:12])
    return CorpusError(
        f"corpus {CARD.name!r}: no clips in {root}; looked for {_LOOKED_FOR} "
        f"(options.channel: {wanted.channel}, options.audio: {wanted.audio}); found there: {there}; "
        f"unpack the archives of {CARD.url} or set corpora.{CARD.name}.root to the folder that holds them"
    )


def _absent(made: Sequence[Recording], here: Sequence[Recording]) -> tuple[int, list[SkippedClip]]:
    """Count the recordings without files, or list them for actors with most of their recordings.

    There is an archive per actor: a copy of some actors, or of a few files of each, was made on purpose.
    """
    there = set(here)
    total = Counter((recording.channel, recording.actor) for recording in made)
    found = Counter((recording.channel, recording.actor) for recording in here)
    absent, skipped = 0, []
    for recording in made:
        if recording in there:
            continue
        part = recording.channel, recording.actor
        if 2 * found[part] <= total[part]:
            absent += 1
        else:
            name = f"{CHANNELS[recording.channel]} of actor {recording.actor}"
            reason = f"missing: {found[part]} of {total[part]} recordings of {name} are there, this one is not"
            skipped.append(SkippedClip(str(recording), "", reason))
    return absent, skipped


def _table(clips: Sequence[Recording], audio: Mapping[Recording, str], video: Mapping[Recording, str]) -> pd.DataFrame:
    statements = [STATEMENTS[recording.statement] for recording in clips]
    ids = [str(recording) for recording in clips]
    repeats = {clip_id: first for clip_id, first in CARD.duplicates.items() if first in ids}
    return clips_table(
        CARD.name,
        {
            "clip_id": ids,
            "speaker": [recording.actor for recording in clips],
            "speaker_sex": ["Male" if int(recording.actor) % 2 else "Female" for recording in clips],
            "level": [INTENSITIES[recording.intensity] for recording in clips],
            "sentence": statements,
            "text": [TEXTS[statement] for statement in statements],
            "duplicate_of": [repeats.get(clip_id) for clip_id in ids],
            "label_intended": [EMOTIONS[recording.emotion] for recording in clips],
            "audio_path": [audio.get(recording) for recording in clips],
            "video_path": [video.get(recording) for recording in clips],
        },
    )


def _notes(
    made: Sequence[Recording],
    clips: Sequence[Recording],
    audio: Mapping[Recording, str],
    video: Mapping[Recording, str],
    files: Files,
    wanted: Options,
) -> list[str]:
    counted = {code: sum(recording in files.paths[code] for recording in made) for code in MODALITIES}
    kinds = (f"{counted[code]} of {len(made)} {name} ({code})" for code, name in MODALITIES.items())
    notes = [f"files of {'speech and song' if wanted.channel == 'both' else wanted.channel}: {', '.join(kinds)}"]
    from_wav = audio is files.paths[AUDIO_ONLY]
    silent = sum(recording not in audio for recording in clips)
    if silent < len(clips):
        notes.append(f"audio is taken from {len(clips) - silent} {'wav' if from_wav else 'mp4'} files")
    if silent:
        notes.append(f"{silent} clips have no such file, so no audio (options.audio: {wanted.audio})")
    blind = sum(recording not in video for recording in clips)
    if blind:
        notes.append(f"{blind} clips have no mp4, so no video")
    stereo = sum(str(recording) in _STEREO and recording in audio for recording in clips)
    if stereo and from_wav:
        notes.append(f"{stereo} wav files are stereo, the others mono (feature `audio` mixes by its option `channel`)")
    others = {r for paths in files.paths.values() for r in paths if r.channel not in _WANTED[wanted.channel]}
    if others:
        left = " or ".join(CHANNELS[channel] for channel in sorted({r.channel for r in others}))
        notes.append(f"{len(others)} recordings of {left} are there too and are not used (options.channel: both)")
    if files.copies:
        notes.append(f"{len(files.copies)} files are there twice ({files.copies[0]}, ...); one of each is used")
    if files.archives:
        notes.append(f"not unpacked: {', '.join(files.archives[:5])}")
    if files.too_deep:
        notes.append(f"folders that are too deep were not searched: {', '.join(map(printable, files.too_deep[:3]))}")
    return notes
