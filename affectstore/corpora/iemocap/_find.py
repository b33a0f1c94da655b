"""Clips of a copy: files, evaluations and transcriptions, joined by the names of the utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.corpora.base import ScanResult, SkippedClip, clips_table
from affectstore.corpora.iemocap._copy import Copy
from affectstore.corpora.iemocap._counts import COUNTS
from affectstore.corpora.iemocap._evaluation import Evaluated, read_evaluations
from affectstore.corpora.iemocap._names import SESSIONS, SEXES, Turn, parse
from affectstore.corpora.iemocap._notes import notes_of
from affectstore.corpora.iemocap._rules import RULES, Utterance
from affectstore.corpora.iemocap._transcriptions import read_transcriptions
from affectstore.corpora.iemocap._tree import (
    ALIGNMENT,
    AUDIO,
    EVALUATION,
    PARTS,
    TRANSCRIPTIONS,
    UTTERANCES,
    VIDEO,
    Tree,
    read_tree,
)
from affectstore.errors import CorpusError

#: Sources of the audio, in the order in which `auto` tries them.
AUDIO_SOURCES: Mapping[str, str] = {"sentences": UTTERANCES, "dialog": AUDIO, "video": VIDEO}
#: A copy with at least this share of the corpus' utterances is compared with the numbers of the complete corpus.
_NEARLY_COMPLETE = 0.9
#: Folders that each rule needs.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "four_classes": (EVALUATION,),
    "seed_003": (EVALUATION, ALIGNMENT),
}


def find_clips(root: Path, corpus: str, url: str, *, utterances: str, audio: str, marker: str) -> ScanResult:
    """Find the utterances that have media.

    Args:
        root: Folder that holds the sessions.
        corpus, url: Name and URL of the card.
        utterances: Name in RULES.
        audio: "auto" or a name in AUDIO_SOURCES.
        marker: File that distinguishes a replica from the corpus.

    Raises:
        CorpusError: The folder is missing, empty or has no media, the rule or the audio needs missing files, or a label
            is unknown.
    """
    tree = read_tree(root, corpus, url)
    _check_needs(root, corpus, tree, utterances)
    evaluations = read_evaluations(root, tree.files[EVALUATION].items())
    transcriptions = read_transcriptions(root, tree.files[TRANSCRIPTIONS].items())
    copy = Copy(tree, evaluations, transcriptions, _audio_folder(root, corpus, tree, audio))
    skipped = [*tree.skipped, *evaluations.skipped, *transcriptions.skipped]
    rows, lost, left_out = _select(root, copy, utterances, skipped)
    _check_not_empty(root, corpus, utterances, rows, lost, left_out)
    clips = _table(corpus, rows)
    is_replica = (root / marker).is_file()
    there = len(rows) + sum(left_out.values())
    is_partial = len(lost) >= there
    if not is_partial:
        skipped += lost
    unlisted = 0 if is_replica else sum(max(0, _expected_in(s) - _listed(copy, s)) for s in SESSIONS)
    is_complete = min(there, len(evaluations.utterances)) >= _NEARLY_COMPLETE * COUNTS["all"]["clips"]
    return ScanResult(
        clips,
        tuple(sorted(skipped, key=lambda skip: (skip.clip_id, skip.path))),
        (len(lost) if is_partial else 0) + (0 if is_complete else unlisted),
        root,
        notes_of(copy, clips, utterances, left_out, is_replica=is_replica),
        expected=COUNTS[utterances],
        is_complete=is_complete,
    )


def _select(
    root: Path, copy: Copy, utterances: str, skipped: list[SkippedClip]
) -> tuple[list[dict[str, Any]], list[SkippedClip], Counter[str]]:
    """Apply a rule to all utterances.

    Args:
        root: Folder that holds the sessions.
        copy: Files and tables.
        utterances: Name of the rule.
        skipped: Utterances that are left out are appended.

    Returns:
        Rows of the clips table, utterances without media, and reason -> number of utterances that the rule left out.
    """
    rows: list[dict[str, Any]] = []
    lost: list[SkippedClip] = []
    left_out: Counter[str] = Counter()
    for turn in _turns(copy, skipped):
        media = _media(copy, turn)
        if isinstance(media, str):
            lost.append(SkippedClip(turn.name, _listed_in(copy, turn), media))
            continue
        row = _row(copy, turn, media)
        if reason := RULES[utterances](_facts(root, copy, turn)):
            skipped.append(SkippedClip(turn.name, row["audio_path"] or row["video_path"], reason))
            left_out[reason] += 1
        else:
            rows.append(row)
    return rows, lost, left_out


def _check_not_empty(
    root: Path,
    corpus: str,
    utterances: str,
    rows: list[dict[str, Any]],
    lost: list[SkippedClip],
    left_out: Counter[str],
) -> None:
    """Check that utterances were found, and that the rule keeps some."""
    if not rows and left_out:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in left_out.most_common(4))
        raise CorpusError(f"corpus {corpus!r}: `utterances: {utterances}` leaves no utterance of {root}: {reasons}")
    if not rows and not lost:
        raise CorpusError(
            f"corpus {corpus!r}: {root} has dialogues, but no file with the times of their utterances; looked for "
            f"Session*/{EVALUATION}/*.txt, Session*/{TRANSCRIPTIONS}/*.txt and Session*/{UTTERANCES}/*/*.wav; add one "
            "of these folders"
        )


def _check_needs(root: Path, corpus: str, tree: Tree, utterances: str) -> None:
    missing = [folder for folder in _NEEDS[utterances] if not tree.files[folder]]
    if missing:
        folders = ", ".join(f"Session*/{folder}/*{PARTS[folder][0]}" for folder in missing)
        raise CorpusError(
            f"corpus {corpus!r}: `utterances: {utterances}` needs {folders}, and {root} has no such file; "
            f"add them, or set corpora.{corpus}.options.utterances to all"
        )


def _audio_folder(root: Path, corpus: str, tree: Tree, audio: str) -> str:
    """Choose the folder that all audio is taken from."""
    if audio != "auto":
        folder = AUDIO_SOURCES[audio]
        if not tree.files[folder]:
            raise CorpusError(
                f"corpus {corpus!r}: `audio: {audio}` takes the audio from {folder}/, and no session of {root} has it; "
                f"set corpora.{corpus}.options.audio to one of auto, {', '.join(AUDIO_SOURCES)}"
            )
        return folder
    return next(folder for folder in AUDIO_SOURCES.values() if tree.files[folder])


def _turns(copy: Copy, skipped: list[SkippedClip]) -> Iterator[Turn]:
    """Yield every utterance that a file or a table names, in the order of names; turns numbered XX0 are skipped."""
    turns = {name: row.turn for name, row in copy.transcriptions.turns.items()}
    turns |= {name: row.turn for name, row in copy.evaluations.utterances.items()}
    for name in copy.tree.files[UTTERANCES]:
        if name not in turns:
            turns[name] = parse(name)
    for name in sorted(turns):
        turn = turns[name]
        if turn.numbered:
            yield turn
        else:
            reason = "a turn numbered XX, which has neither a label nor an audio file in the corpus"
            skipped.append(SkippedClip(name, copy.tree.files[TRANSCRIPTIONS].get(turn.dialogue, ""), reason))


def _media(copy: Copy, turn: Turn) -> dict[str, Any] | str:
    """Return paths and times of an utterance, or the reason why it has no media."""
    files, span = copy.tree.files, copy.span(turn.name)
    own = files[UTTERANCES].get(turn.name) if copy.audio == UTTERANCES else None
    video = files[VIDEO].get(turn.dialogue)
    shared = files[copy.audio].get(turn.dialogue) if copy.audio != UTTERANCES else None
    if span is not None and span[0] >= span[1] and (video or shared):
        return f"the turn ends before it begins: {span[0]:g} s to {span[1]:g} s in the dialogue"
    if span is None:
        video = shared = None
    if own is None and video is None and shared is None:
        if span is None and (files[VIDEO].get(turn.dialogue) or files[AUDIO].get(turn.dialogue)):
            return "missing: no audio file of its own, and no times to cut it out of the dialogue"
        return f"missing: neither {UTTERANCES}/ nor the dialogue's {VIDEO}/ or {AUDIO}/ has a file for it"
    in_dialogue = video is not None or shared is not None
    start_s, end_s = span if span is not None and in_dialogue else (0.0, None)
    return {
        "audio_path": own or shared,
        "video_path": video,
        "start_s": start_s,
        "end_s": end_s,
        "whole_media": "audio" if own and video else None,
    }


def _row(copy: Copy, turn: Turn, media: Mapping[str, Any]) -> dict[str, Any]:
    transcribed = copy.transcriptions.turns.get(turn.name)
    row: dict[str, Any] = {
        "clip_id": turn.name,
        "speaker": turn.speaker,
        "speaker_sex": SEXES[turn.sex],
        "session": turn.session,
        "level": turn.kind,
        "sentence": turn.scenario,
        "text": transcribed.text if transcribed else None,
        "face_side": turn.face_side,
        "words_path": copy.tree.files[ALIGNMENT].get(turn.name),
        **media,
    }
    evaluated = copy.evaluations.utterances.get(turn.name)
    return row | (_labels(evaluated) if evaluated else {})


def _labels(evaluated: Evaluated) -> dict[str, Any]:
    return {
        "label_audiovisual": evaluated.label,
        "votes_audiovisual": evaluated.votes(),
        "valence": evaluated.valence,
        "activation": evaluated.activation,
        "dominance": evaluated.dominance,
    }


def _facts(root: Path, copy: Copy, turn: Turn) -> Utterance:
    """Collect the facts that the rules depend on."""
    evaluated = copy.evaluations.utterances.get(turn.name)
    transcribed = copy.transcriptions.turns.get(turn.name)
    words = copy.tree.files[ALIGNMENT].get(turn.name)
    return Utterance(
        evaluated is not None,
        evaluated.label if evaluated else None,
        transcribed.text or None if transcribed else None,
        root / words if words else None,
    )


def _table(corpus: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = dict.fromkeys(name for row in rows for name in row) or {"clip_id": None}
    return clips_table(corpus, {name: [row.get(name) for row in rows] for name in columns})


def _listed_in(copy: Copy, turn: Turn) -> str:
    for folder in (UTTERANCES, EVALUATION, TRANSCRIPTIONS):
        key = turn.name if folder == UTTERANCES else turn.dialogue
        if path := copy.tree.files[folder].get(key):
            return path
    return ""


def _expected_in(session: str) -> int:
    return COUNTS["all"][f"session:{session}"]


def _listed(copy: Copy, session: str) -> int:
    names = {*copy.evaluations.utterances, *copy.tree.files[UTTERANCES]}
    names |= {name for name, row in copy.transcriptions.turns.items() if row.turn.numbered}
    return sum(name[4] == session for name in names)
