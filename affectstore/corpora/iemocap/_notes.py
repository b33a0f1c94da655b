"""Notes about a copy for the user, one line each."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from affectstore.corpora.iemocap._copy import Copy
from affectstore.corpora.iemocap._names import SESSIONS
from affectstore.corpora.iemocap._tree import AUDIO, EVALUATION, PARTS, TRANSCRIPTIONS, UTTERANCES, VIDEO

#: Tolerance of the times of an utterance in its evaluation and its transcription, which are the same numbers.
_TOLERANCE_S = 0.01


def notes_of(
    copy: Copy, clips: pd.DataFrame, utterances: str, left_out: Counter[str], *, is_replica: bool
) -> tuple[str, ...]:
    """Describe the files, the missing files and the utterances that were left out by rule.

    Args:
        copy: Files and tables.
        clips: The selected clips.
        utterances: Name of the rule.
        left_out: Reason -> number of utterances that the rule left out.
        is_replica: True for a replica.
    """
    notes = ["a replica made by affectstore: no recording and no label of IEMOCAP is in it"] if is_replica else []
    notes += [*_audio(copy), *_missing(copy)]
    if left_out:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
        notes.append(f"`utterances: {utterances}` leaves out {sum(left_out.values())}: {reasons}")
    evaluated = clips["clip_id"].isin(list(copy.evaluations.utterances))
    if disagreed := int((evaluated & clips["label_audiovisual"].isna()).sum()):
        notes.append(f"{disagreed} utterances without a majority of the raters (xxx) have votes and no label")
    if copy.evaluations.utterances and not evaluated.all():
        notes.append(f"{int((~evaluated).sum())} utterances have no row in {EVALUATION}/: they have no label")
    return (*notes, *_lines(copy))


def _audio(copy: Copy) -> list[str]:
    notes = [f"audio is taken from {copy.audio}/"]
    if copy.audio in (AUDIO, VIDEO):
        notes[0] += ", as parts of the dialogues: where turns overlap, both speakers are audible"
    return notes


def _missing(copy: Copy) -> list[str]:
    """Name the sessions, and the parts of sessions, that are missing."""
    tree = copy.tree
    notes = []
    if gone := [f"Session{session}" for session in SESSIONS if session not in tree.sessions]:
        notes.append(f"not in this copy: {', '.join(gone)}")
    for folder, (suffix, what) in PARTS.items():
        if folder in (AUDIO, UTTERANCES) and folder != copy.audio:
            continue  # another source of audio is used
        there = tree.sessions_with(folder)
        without = [f"Session{session}" for session in tree.sessions if session not in there]
        if without:
            which = "" if not there else f" of {', '.join(without)}"
            notes.append(f"without {what}{which}: {folder}/ has no {suffix} file there")
    dialogues = {name.rpartition("_")[0] for name in (*tree.files[UTTERANCES], *copy.evaluations.utterances)}
    dialogues |= tree.files[VIDEO].keys()
    for folder in (VIDEO, EVALUATION, TRANSCRIPTIONS):
        there = tree.sessions_with(folder)
        gaps = sorted(name for name in dialogues - set(tree.files[folder]) if name[4] in there)
        if gaps:
            notes.append(
                f"without {PARTS[folder][1]}: {len(gaps)} dialogues have no file in {folder}/ ({gaps[0]}, ...)"
            )
    return notes


def _lines(copy: Copy) -> list[str]:
    """Report lines of the tables that cannot be parsed, and times that disagree."""
    notes = []
    if copy.transcriptions.nameless:
        notes.append(
            f"{copy.transcriptions.nameless} lines of transcriptions name no turn and are ignored "
            f"(the first: {copy.transcriptions.first_nameless})"
        )
    if copy.evaluations.unknown:
        notes.append(
            f"{copy.evaluations.unknown} lines of evaluations cannot be parsed completely "
            f"(the first: {copy.evaluations.first_unknown})"
        )
    both = copy.evaluations.utterances.keys() & copy.transcriptions.turns.keys()
    differing = 0
    for name in both:
        row, turn = copy.evaluations.utterances[name], copy.transcriptions.turns[name]
        differing += max(abs(row.start_s - turn.start_s), abs(row.end_s - turn.end_s)) > _TOLERANCE_S
    if differing:
        notes.append(f"{differing} utterances have other times in the transcription; those of {EVALUATION}/ are used")
    return notes
