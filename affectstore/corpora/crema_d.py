"""CREMA-D: 91 actors speak 12 sentences in 6 emotions; 7,442 clips with video and audio.

Source: Cao, Cooper, Keutmann, Gur, Nenkova & Verma (2014), CREMA-D: Crowd-sourced Emotional Multimodal
Actors Dataset, IEEE Transactions on Affective Computing 5(4), 377-390. Human accuracies: individual
raters against the intended emotion, from the same paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from affectstore.config.base import Settings
from affectstore.corpora._crema_d_names import EMOTIONS, LEVELS, SENTENCES, parse
from affectstore.corpora._crema_d_tables import TABLES, Tables, read_tables
from affectstore.corpora._listing import Listing, check_root, list_media, printable
from affectstore.corpora.base import Card, ScanResult, SkippedClip, clips_table
from affectstore.errors import CorpusError

# These reasons are stored in manifests and are part of the digests of splits: their wording is fixed.
_ERROR_IMAGE = "recording error: no sound, and the flv shows an error picture"
_SHORT = "recording error: the flv and the mp3 are cut off after a moment"
_ENDLESS = "recording error: the flv and the mp3 state no duration"
_LONG = "recording error: the flv and the mp3 run for a minute through all emotions"
_BLACK = "black frames reported in the flv"

CARD = Card(
    name="crema-d",
    title="CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset",
    licence="ODbL-1.0 (contents: DbCL-1.0)",
    citation="Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A., & Verma, R. (2014). CREMA-D: "
    "Crowd-sourced Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing, 5(4), 377-390. "
    "https://doi.org/10.1109/TAFFC.2014.2336244",
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    labels=tuple(EMOTIONS),
    label_names=EMOTIONS,
    counts={
        "clips": 7442,
        "speakers": 91,
        "sentences": 12,
        **{f"label:{emotion}": 1087 if emotion == "NEU" else 1271 for emotion in EMOTIONS},
        **{f"level:{level}": 6077 if level == "XX" else 455 for level in LEVELS},
    },
    # 1040_ITH_SAD_XX is not among them: its name was wrong in early copies, and has been set right.
    known_bad={
        "1047_IEO_FEA_LO": _BLACK,
        "1047_IEO_SAD_LO": _BLACK,
        "1064_IEO_DIS_MD": _LONG,
        "1064_TIE_SAD_XX": _ENDLESS,
        "1076_MTI_NEU_XX": _SHORT,
        "1076_MTI_SAD_XX": _ERROR_IMAGE,
    },
    duplicates={
        "1006_TIE_HAP_XX": "1006_TIE_NEU_XX",
        "1013_WSI_DIS_XX": "1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX": "1017_IWW_FEA_XX",
    },
    human={"audio": 0.409, "vision": 0.582, "multimodal": 0.636},
)

#: Clips whose wav is bad; the wavs of the other bad clips are good, in a copy without videos.
_BAD_WAV = ("1076_MTI_SAD_XX",)
_VIDEO = ("VideoFlash", ".flv")
#: Sources of the audio, in the order in which `auto` tries them.
_AUDIO: Mapping[str, tuple[str, str]] = {"wav": ("AudioWAV", ".wav"), "mp3": ("AudioMP3", ".mp3"), "flv": _VIDEO}
_LOOKED_FOR = ", ".join(f"{folder}/*{suffix}" for folder, suffix in (_VIDEO, _AUDIO["wav"], _AUDIO["mp3"]))
_NAME = "^(?P<speaker>[0-9]{{4}})_(?P<sentence>{})_(?P<label>{})_(?P<level>{})$".format(
    *("|".join(codes) for codes in (SENTENCES, EMOTIONS, LEVELS))
)


class Options(Settings):
    """Options of the corpus in config.yaml."""

    audio: Literal["auto", "wav", "mp3", "flv"] = Field(
        default="auto",
        description="Source of the audio of all clips: AudioWAV/, AudioMP3/ or the audio stream of VideoFlash/; "
        "`auto`: the first of these that exists.",
    )


def find(root: Path, options: Mapping[str, Any]) -> ScanResult:
    """Find the clips of a complete or partial copy.

    Args:
        root: Folder that holds VideoFlash/, AudioWAV/ or AudioMP3/, and the tables.
        options: Fields of `Options`.

    Raises:
        CorpusError: The folder is missing, empty or has no media, or a table is damaged.
    """
    check_root(CARD.name, root, _LOOKED_FOR, CARD.url)
    video = list_media(root, *_VIDEO)
    audio = _list_audio(root, Options(**options).audio, video)
    tables = read_tables(root)
    skipped = [*video.skipped, *(() if audio is video else audio.skipped)]
    names, bad_names = _names(video, audio)
    skipped += bad_names
    if tables.clip_ids is not None:
        listed = names.index.isin(tables.clip_ids)
        for clip_id in names.index[~listed]:
            skipped += _skip(clip_id, f"not listed in {tables.listed_in}", video, audio)
        names = names[listed]
    clips = _clips(names, tables, video, audio)
    absent, missing = _absent(clips, tables, video, audio)
    return ScanResult(
        clips,
        tuple(sorted((*skipped, *missing), key=lambda skip: (skip.clip_id, skip.path))),
        absent,
        root,
        _notes(clips, tables, video, audio),
    )


def _list_audio(root: Path, wanted: str, video: Listing) -> Listing:
    """List the one source of audio: sources are never mixed, since their sampling rates differ."""
    for source, (folder, suffix) in _AUDIO.items():
        if wanted in ("auto", source):
            listing = video if source == "flv" else list_media(root, folder, suffix)
            if listing.paths:
                return listing
    looked_for = _LOOKED_FOR if wanted == "auto" else "{}/*{}".format(*_AUDIO[wanted])
    there = sorted(printable(path.name) for path in root.iterdir())
    raise CorpusError(
        f"corpus {CARD.name!r}: no media in {root}; looked for {looked_for} "
        f"(corpora.{CARD.name}.options.audio: {wanted}); found there: {', '.join(there[:12])}; get the corpus from "
        f"{CARD.url} or set corpora.{CARD.name}.root to the folder that holds it"
    )


def _absent(clips: pd.DataFrame, tables: Tables, video: Listing, audio: Listing) -> tuple[int, list[SkippedClip]]:
    """Count the listed clips without media, or list them in a copy that holds most clips.

    A copy of a few clips was made on purpose; in a nearly complete one, missing clips were lost.
    """
    if tables.clip_ids is None:
        return max(0, CARD.counts["clips"] - len(clips)), []
    absent = tables.clip_ids[~tables.clip_ids.isin(clips["clip_id"])]
    if len(absent) >= len(clips):
        return len(absent), []
    folders = " or ".join(f"{folder}/" for folder in dict.fromkeys((video.folder, audio.folder)))
    reason = f"missing: listed in {tables.listed_in}, but there is no file for it in {folders}"
    return 0, [SkippedClip(str(clip_id), "", reason) for clip_id in absent]


def _names(video: Listing, audio: Listing) -> tuple[pd.DataFrame, list[SkippedClip]]:
    """Parse the names to fields, index clip id; skip files with other names."""
    stems = sorted(video.paths.keys() | audio.paths.keys())
    fields = pc.extract_regex(pa.array(stems, pa.string()), _NAME)
    valid = fields.is_valid().to_numpy(zero_copy_only=False)
    skipped: list[SkippedClip] = []
    for stem in (stems[row] for row in np.flatnonzero(~valid)):
        upper = stem.upper()
        if upper != stem and (upper in video.paths or upper in audio.paths):
            reason = f"the name differs from {upper} in letter case only"
        else:
            reason = _fault(stem)
        skipped += _skip(stem, reason, video, audio)
    names = fields.flatten()
    columns = {fields.type[i].name: names[i].to_pandas().astype("string") for i in range(fields.type.num_fields)}
    table = pd.DataFrame(columns).set_index(pd.Index(stems, dtype="string"))
    return table[valid], skipped


def _fault(stem: str) -> str:
    try:
        parse(stem)
    except ValueError as error:
        return str(error)
    raise AssertionError(f"{stem!r}: the pattern and parse() disagree")


def _skip(stem: str, reason: str, *listings: Listing) -> list[SkippedClip]:
    paths = dict.fromkeys(listing.paths[stem] for listing in listings if stem in listing.paths)
    return [SkippedClip(stem, path, reason) for path in paths]


def _clips(names: pd.DataFrame, tables: Tables, video: Listing, audio: Listing) -> pd.DataFrame:
    clip_ids = names.index
    wavs_alone = audio.folder == _AUDIO["wav"][0] and not video.paths
    known_bad = {i: reason for i, reason in CARD.known_bad.items() if not wavs_alone or i in _BAD_WAV}
    labels = tables.labels.reindex(clip_ids)
    speakers = tables.speakers.reindex(names["speaker"])
    return clips_table(
        CARD.name,
        {
            "clip_id": clip_ids.array,
            "speaker": names["speaker"].array,
            "level": names["level"].array,
            "sentence": names["sentence"].array,
            "text": pd.Series(dict(SENTENCES), dtype="string").reindex(names["sentence"]).array,
            "known_bad": pd.Series(known_bad, dtype="string").reindex(clip_ids).array,
            "duplicate_of": pd.Series(dict(CARD.duplicates), dtype="string").reindex(clip_ids).array,
            "label_intended": names["label"].array,
            "audio_path": pd.array([audio.paths.get(clip_id) for clip_id in clip_ids], dtype="string"),
            "video_path": pd.array([video.paths.get(clip_id) for clip_id in clip_ids], dtype="string"),
            **{str(column): labels[column].array for column in labels},
            **{str(column): speakers[column].array for column in speakers},
        },
    )


def _notes(clips: pd.DataFrame, tables: Tables, video: Listing, audio: Listing) -> tuple[str, ...]:
    notes = [f"audio is taken from {audio.folder}/"]
    silent, blind = int(clips["audio_path"].isna().sum()), int(clips["video_path"].isna().sum())
    if silent:
        notes.append(
            f"{silent} clips have no file in {audio.folder}/, so no audio (options.audio selects another source)"
        )
    if not video.paths:
        notes.append(f"no video: {video.folder}/ does not exist")
    elif blind:
        notes.append(f"{blind} clips have no file in {video.folder}/, so no video")
    notes += [f"without {name}: {TABLES[name]} is missing" for name in tables.missing]
    return tuple(notes)
