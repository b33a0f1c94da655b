"""The clips of a copy: files, evaluations and transcriptions joined by the names of the utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from affectstore.corpora.base import Found, Skipped, clips_table
from affectstore.corpora.iemocap import _tree as tree_of
from affectstore.corpora.iemocap._counts import COUNTS
from affectstore.corpora.iemocap._evaluation import Evaluated, Evaluations, read_evaluations
from affectstore.corpora.iemocap._names import SESSIONS, SEXES, Turn, parse
from affectstore.corpora.iemocap._notes import notes_of
from affectstore.corpora.iemocap._rules import RULES, Utterance
from affectstore.corpora.iemocap._transcriptions import Transcriptions, read_transcriptions
from affectstore.corpora.iemocap._tree import ALIGNMENT, EVALUATION, SOUND, TRANSCRIPTIONS, UTTERANCES, VIDEO, Tree
from affectstore.errors import CorpusError

#: Where the sound may come from, in the order in which `auto` looks.
SOUNDS: Mapping[str, str] = {"sentences": UTTERANCES, "dialog": SOUND, "video": VIDEO}
#: A copy with at least this share of the corpus' utterances is taken for a whole one, and counted against the card.
_NEARLY_WHOLE = 0.9
#: What each rule cannot do without.
_NEEDS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "four_classes": (EVALUATION,),
    "seed_003": (EVALUATION, ALIGNMENT),
}


@dataclass(frozen=True)
class Copy:
    """What was read of a copy."""

    tree: Tree
    evaluations: Evaluations
    transcriptions: Transcriptions
    sound: str

    def span(self, name: str) -> tuple[float, float] | None:
        """Where an utterance is in its dialogue, in seconds, None where that is not known."""
        row = self.evaluations.utterances.get(name) or self.transcriptions.turns.get(name)
        return (row.start_s, row.end_s) if row else None


def find_clips(root: Path, corpus: str, url: str, *, utterances: str, audio: str, marker: str) -> Found:
    """Find the utterances that have media.

    Args:
        root: folder that holds the sessions.
        corpus, url: of the card.
        utterances: a name of RULES.
        audio: `auto` or a name of SOUNDS.
        marker: file that tells a lookalike from the corpus.

    Raises:
        CorpusError: the folder is missing, empty or has no media; the rule or the sound needs what is not there;
            a label is unknown.
    """
    tree = tree_of.read_tree(root, corpus, url)
    _check_needs(root, corpus, tree, utterances)
    evaluations = read_evaluations(root, tree.files[EVALUATION].items())
    transcriptions = read_transcriptions(root, tree.files[TRANSCRIPTIONS].items())
    copy = Copy(tree, evaluations, transcriptions, _sound(root, corpus, tree, audio))
    skipped = [*tree.skipped, *evaluations.skipped, *transcriptions.skipped]

    rows: list[dict[str, Any]] = []
    lost: list[Skipped] = []
    left_out: Counter[str] = Counter()
    for turn in _turns(copy, skipped):
        media = _media(copy, turn)
        if isinstance(media, str):
            lost.append(Skipped(turn.name, _listed_in(copy, turn), media))
            continue
        row = _row(copy, turn, media)
        if reason := RULES[utterances](_judged(root, copy, turn)):
            skipped.append(Skipped(turn.name, row["audio_path"] or row["video_path"], reason))
            left_out[reason] += 1
        else:
            rows.append(row)
    if not rows and left_out:
        told = "; ".join(f"{count} x {reason}" for reason, count in left_out.most_common(4))
        raise CorpusError(f"corpus {corpus!r}: `utterances: {utterances}` leaves no utterance of {root}: {told}")
    if not rows and not lost:
        raise CorpusError(
            f"corpus {corpus!r}: {root} has dialogues, and nothing that says where their utterances are; looked for "
            f"Session*/{EVALUATION}/*.txt, Session*/{TRANSCRIPTIONS}/*.txt and Session*/{UTTERANCES}/*/*.wav; add one "
            "of these folders"
        )
    clips = _table(corpus, rows)
    whole = COUNTS["all"]["clips"]
    made = (root / marker).is_file()
    there = len(rows) + sum(left_out.values())
    partial = len(lost) >= there
    if not partial:
        skipped += lost
    unlisted = 0 if made else sum(max(0, _expected_in(s) - _listed(copy, s)) for s in SESSIONS)
    complete = min(there, len(evaluations.utterances)) >= _NEARLY_WHOLE * whole
    return Found(
        clips,
        tuple(sorted(skipped, key=lambda skip: (skip.clip_id, skip.path))),
        (len(lost) if partial else 0) + (0 if complete else unlisted),
        root,
        notes_of(copy, clips, utterances, left_out, made=made),
        expected=COUNTS[utterances],
        whole=complete,
    )


def _check_needs(root: Path, corpus: str, tree: Tree, utterances: str) -> None:
    missing = [folder for folder in _NEEDS[utterances] if not tree.files[folder]]
    if missing:
        folders = ", ".join(f"Session*/{folder}/*{tree_of.PARTS[folder][0]}" for folder in missing)
        raise CorpusError(
            f"corpus {corpus!r}: `utterances: {utterances}` goes by {folders}, and {root} has no such file; "
            f"add them, or set corpora.{corpus}.options.utterances to all"
        )


def _sound(root: Path, corpus: str, tree: Tree, audio: str) -> str:
    """The one source of sound, '' where none was asked for by name and none is there."""
    if audio != "auto":
        folder = SOUNDS[audio]
        if not tree.files[folder]:
            raise CorpusError(
                f"corpus {corpus!r}: `audio: {audio}` takes the sound from {folder}/, and no session of {root} has it; "
                f"set corpora.{corpus}.options.audio to one of auto, {', '.join(SOUNDS)}"
            )
        return folder
    return next(folder for folder in SOUNDS.values() if tree.files[folder])


def _turns(copy: Copy, skipped: list[Skipped]) -> Iterator[Turn]:
    """Every utterance that a file or a table names, by name; turns that are numbered XX0 are none."""
    turns = {name: said.turn for name, said in copy.transcriptions.turns.items()}
    turns |= {name: row.turn for name, row in copy.evaluations.utterances.items()}
    for name in copy.tree.files[UTTERANCES]:
        if name not in turns:
            turns[name] = parse(name)
    for name in sorted(turns):
        turn = turns[name]
        if turn.numbered:
            yield turn
        else:
            reason = "a turn numbered XX, which the corpus gives neither a label nor a sound of its own"
            skipped.append(Skipped(name, copy.tree.files[TRANSCRIPTIONS].get(turn.dialogue, ""), reason))


def _media(copy: Copy, turn: Turn) -> dict[str, Any] | str:
    """Paths and times of an utterance, or why it has no media."""
    files, span = copy.tree.files, copy.span(turn.name)
    own = files[UTTERANCES].get(turn.name) if copy.sound == UTTERANCES else None
    video = files[VIDEO].get(turn.dialogue)
    shared = files[copy.sound].get(turn.dialogue) if copy.sound != UTTERANCES else None
    if span is not None and span[0] >= span[1] and (video or shared):
        return f"the turn ends before it begins: {span[0]:g} s to {span[1]:g} s in the dialogue"
    if span is None:
        video = shared = None
    if own is None and video is None and shared is None:
        if span is None and (files[VIDEO].get(turn.dialogue) or files[SOUND].get(turn.dialogue)):
            return "missing: no sound of its own, and no times at which to cut it out of the dialogue"
        return f"missing: neither {UTTERANCES}/ nor the dialogue's {VIDEO}/ or {SOUND}/ has a file for it"
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
    said = copy.transcriptions.turns.get(turn.name)
    row: dict[str, Any] = {
        "clip_id": turn.name,
        "speaker": turn.speaker,
        "speaker_sex": SEXES[turn.sex],
        "session": turn.session,
        "level": turn.kind,
        "sentence": turn.scenario,
        "text": said.text if said else None,
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


def _judged(root: Path, copy: Copy, turn: Turn) -> Utterance:
    evaluated = copy.evaluations.utterances.get(turn.name)
    said = copy.transcriptions.turns.get(turn.name)
    words = copy.tree.files[ALIGNMENT].get(turn.name)
    return Utterance(
        evaluated is not None,
        evaluated.label if evaluated else None,
        said.text or None if said else None,
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
    names |= {name for name, said in copy.transcriptions.turns.items() if said.turn.numbered}
    return sum(name[4] == session for name in names)
