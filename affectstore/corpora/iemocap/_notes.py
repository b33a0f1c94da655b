"""What a person should know about a copy, one line each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd

from affectstore.corpora.iemocap._names import SESSIONS
from affectstore.corpora.iemocap._tree import EVALUATION, PARTS, SOUND, TRANSCRIPTIONS, UTTERANCES, VIDEO

if TYPE_CHECKING:
    from affectstore.corpora.iemocap._find import Copy

#: Times of an utterance in the evaluation and in the transcription are the same numbers; more than this is told.
_SAME_S = 0.01


def notes_of(
    copy: Copy, clips: pd.DataFrame, utterances: str, left_out: Counter[str], *, made: bool
) -> tuple[str, ...]:
    """Notes on what is there, what is not, and what was left out by rule.

    Args:
        copy: what was read.
        clips: the clips that take part.
        utterances: the rule.
        left_out: how many utterances the rule left out, by reason.
        made: whether this is a lookalike.
    """
    notes = ["a lookalike made by affectstore: no recording and no label of IEMOCAP is in it"] if made else []
    notes += [*_sound(copy), *_missing(copy)]
    if left_out:
        told = ", ".join(f"{count} {reason}" for reason, count in left_out.most_common())
        notes.append(f"`utterances: {utterances}` leaves out {sum(left_out.values())}: {told}")
    evaluated = clips["clip_id"].isin(list(copy.evaluations.utterances))
    if disagreed := int((evaluated & clips["label_audiovisual"].isna()).sum()):
        notes.append(f"{disagreed} utterances without a majority of the raters (xxx) have votes and no label")
    if copy.evaluations.utterances and not evaluated.all():
        notes.append(f"{int((~evaluated).sum())} utterances have no row in {EVALUATION}/: they have no label")
    return (*notes, *_lines(copy))


def _sound(copy: Copy) -> list[str]:
    notes = [f"sound is taken from {copy.sound}/"]
    if copy.sound in (SOUND, VIDEO):
        notes[0] += ", cut out of the dialogues: where turns overlap, both speakers are heard"
    return notes


def _missing(copy: Copy) -> list[str]:
    """Sessions, and parts of sessions, that are not in this copy."""
    tree = copy.tree
    notes = []
    if gone := [f"Session{session}" for session in SESSIONS if session not in tree.sessions]:
        notes.append(f"not in this copy: {', '.join(gone)}")
    for folder, (suffix, what) in PARTS.items():
        if folder in (SOUND, UTTERANCES) and folder != copy.sound:
            continue  # the sound comes from elsewhere
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
    """Lines of the tables that say nothing that is known, and times that disagree."""
    notes = []
    if copy.transcriptions.nameless:
        notes.append(
            f"{copy.transcriptions.nameless} lines of transcriptions name no turn and are passed over "
            f"(the first: {copy.transcriptions.first_nameless})"
        )
    if copy.evaluations.unknown:
        notes.append(
            f"{copy.evaluations.unknown} lines of evaluations are not wholly understood "
            f"(the first: {copy.evaluations.first_unknown})"
        )
    both = copy.evaluations.utterances.keys() & copy.transcriptions.turns.keys()
    apart = 0
    for name in both:
        row, said = copy.evaluations.utterances[name], copy.transcriptions.turns[name]
        apart += max(abs(row.start_s - said.start_s), abs(row.end_s - said.end_s)) > _SAME_S
    if apart:
        notes.append(f"{apart} utterances have other times in the transcription; those of {EVALUATION}/ are used")
    return notes
