"""CREMA-D: 91 actors speak 12 sentences in 6 emotions; 7,442 clips with picture and sound.

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
from affectstore.corpora.base import Card, Found, Skipped, clips_table
from affectstore.errors import CorpusError

_ERROR_PICTURE = "recording error: no sound, and the flv shows an error picture"
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
        "1076_MTI_SAD_XX": _ERROR_PICTURE,
    },
    duplicates={
        "1006_TIE_HAP_XX": "1006_TIE_NEU_XX",
        "1013_WSI_DIS_XX": "1013_WSI_SAD_XX",
        "1017_IWW_ANG_XX": "1017_IWW_FEA_XX",
    },
    human={"audio": 0.409, "vision": 0.582, "multimodal": 0.636},
)

#: The only fault that a wav has; the other bad clips are good ones in a copy that is used as wavs alone.
_BAD_WAV = ("1076_MTI_SAD_XX",)
_PICTURE = ("VideoFlash", ".flv")
#: Where the sound may come from, in the order in which `auto` looks.
_SOUND: Mapping[str, tuple[str, str]] = {"wav": ("AudioWAV", ".wav"), "mp3": ("AudioMP3", ".mp3"), "flv": _PICTURE}
_LOOKED_FOR = ", ".join(f"{folder}/*{suffix}" for folder, suffix in (_PICTURE, _SOUND["wav"], _SOUND["mp3"]))
_NAME = "^(?P<speaker>[0-9]{{4}})_(?P<sentence>{})_(?P<label>{})_(?P<level>{})$".format(
    *("|".join(codes) for codes in (SENTENCES, EMOTIONS, LEVELS))
)


class Options(Settings):
    """Options of the corpus in config.yaml."""

    audio: Literal["auto", "wav", "mp3", "flv"] = Field(
        default="auto",
        description="Where the sound of every clip comes from: AudioWAV/, AudioMP3/ or the sound of VideoFlash/; "
        "`auto`: the first of these that is there.",
    )


def find(root: Path, options: Mapping[str, Any]) -> Found:
    """Find the clips of a complete or partial copy.

    Args:
        root: folder that holds VideoFlash/, AudioWAV/ or AudioMP3/, and the tables.
        options: see `Options`.

    Raises:
        CorpusError: the folder is missing, empty or has no media; a table is broken.
    """
    check_root(CARD.name, root, _LOOKED_FOR, CARD.url)
    picture = list_media(root, *_PICTURE)
    sound = _sound(root, Options(**options).audio, picture)
    tables = read_tables(root)
    skipped = [*picture.skipped, *(() if sound is picture else sound.skipped)]
    names, bad_names = _names(picture, sound)
    skipped += bad_names
    if tables.clip_ids is not None:
        listed = names.index.isin(tables.clip_ids)
        for clip_id in names.index[~listed]:
            skipped += _skip(clip_id, f"not listed in {tables.listed_in}", picture, sound)
        names = names[listed]
    clips = _clips(names, tables, picture, sound)
    absent, missing = _absent(clips, tables, picture, sound)
    return Found(
        clips,
        tuple(sorted((*skipped, *missing), key=lambda skip: (skip.clip_id, skip.path))),
        absent,
        root,
        _notes(clips, tables, picture, sound),
    )


def _sound(root: Path, wanted: str, picture: Listing) -> Listing:
    """The one source of sound: sources are never mixed, their sampling rates differ."""
    for source, (folder, suffix) in _SOUND.items():
        if wanted in ("auto", source):
            listing = picture if source == "flv" else list_media(root, folder, suffix)
            if listing.paths:
                return listing
    looked_for = _LOOKED_FOR if wanted == "auto" else "{}/*{}".format(*_SOUND[wanted])
    there = sorted(printable(path.name) for path in root.iterdir())
    raise CorpusError(
        f"corpus {CARD.name!r}: no media in {root}; looked for {looked_for} "
        f"(corpora.{CARD.name}.options.audio: {wanted}); found there: {', '.join(there[:12])}; get the corpus from "
        f"{CARD.url} or set corpora.{CARD.name}.root to the folder that holds it"
    )


def _absent(clips: pd.DataFrame, tables: Tables, picture: Listing, sound: Listing) -> tuple[int, list[Skipped]]:
    """How many listed clips have no media in a partial copy; in one that holds most of them, each by itself.

    A copy of a few clips was made on purpose; where nearly everything is there, what is not was lost.
    """
    if tables.clip_ids is None:
        return max(0, CARD.counts["clips"] - len(clips)), []
    absent = tables.clip_ids[~tables.clip_ids.isin(clips["clip_id"])]
    if len(absent) >= len(clips):
        return len(absent), []
    folders = " or ".join(f"{folder}/" for folder in dict.fromkeys((picture.folder, sound.folder)))
    reason = f"missing: listed in {tables.listed_in}, but there is no file for it in {folders}"
    return 0, [Skipped(str(clip_id), "", reason) for clip_id in absent]


def _names(picture: Listing, sound: Listing) -> tuple[pd.DataFrame, list[Skipped]]:
    """Fields of the names, index clip id; and the files whose names are not a clip's."""
    stems = sorted(picture.paths.keys() | sound.paths.keys())
    fields = pc.extract_regex(pa.array(stems, pa.string()), _NAME)
    valid = fields.is_valid().to_numpy(zero_copy_only=False)
    skipped: list[Skipped] = []
    for stem in (stems[row] for row in np.flatnonzero(~valid)):
        upper = stem.upper()
        if upper != stem and (upper in picture.paths or upper in sound.paths):
            reason = f"the name differs from {upper} in letter case only"
        else:
            reason = _fault(stem)
        skipped += _skip(stem, reason, picture, sound)
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


def _skip(stem: str, reason: str, *listings: Listing) -> list[Skipped]:
    paths = dict.fromkeys(listing.paths[stem] for listing in listings if stem in listing.paths)
    return [Skipped(stem, path, reason) for path in paths]


def _clips(names: pd.DataFrame, tables: Tables, picture: Listing, sound: Listing) -> pd.DataFrame:
    clip_ids = names.index
    wavs_alone = sound.folder == _SOUND["wav"][0] and not picture.paths
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
            "audio_path": pd.array([sound.paths.get(clip_id) for clip_id in clip_ids], dtype="string"),
            "video_path": pd.array([picture.paths.get(clip_id) for clip_id in clip_ids], dtype="string"),
            **{str(column): labels[column].array for column in labels},
            **{str(column): speakers[column].array for column in speakers},
        },
    )


def _notes(clips: pd.DataFrame, tables: Tables, picture: Listing, sound: Listing) -> tuple[str, ...]:
    notes = [f"sound is taken from {sound.folder}/"]
    silent, blind = int(clips["audio_path"].isna().sum()), int(clips["video_path"].isna().sum())
    if silent:
        notes.append(
            f"{silent} clips have no file in {sound.folder}/, so no sound (options.audio names another source)"
        )
    if not picture.paths:
        notes.append(f"no picture: {picture.folder}/ is not there")
    elif blind:
        notes.append(f"{blind} clips have no file in {picture.folder}/, so no picture")
    notes += [f"without {name}: {TABLES[name]} is missing" for name in tables.missing]
    return tuple(notes)
