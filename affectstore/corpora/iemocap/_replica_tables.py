"""Text files of the replica: transcriptions, evaluations by invented raters, and word times."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from affectstore.corpora.iemocap._evaluation import EMOTIONS, NO_AGREEMENT
from affectstore.corpora.iemocap._replica_audio import Dialogue, Spoken
from affectstore.corpora.iemocap._replica_plan import BARE_LINES, NO_DOMINANCE, NUMBERED_XX, TWO_LABELS
from affectstore.corpora.synthetic._random import generator

#: Label -> centre of its ratings of valence, activation and dominance, 1 to 5; other labels have the middle.
_CENTRE = {
    "ang": (2, 4, 4),
    "hap": (4, 3, 3),
    "exc": (4, 4, 3),
    "sad": (2, 2, 2),
    "neu": (3, 2, 3),
    "fru": (2, 3, 3),
}
_LABELLERS = ("E2", "E3", "E4")
_SCORERS = ("E3", "E4")


def transcription(dialogue: Dialogue) -> str:
    """Format a transcription in the order of time, with the XX0 turns and lines without a turn of the plan."""
    lines = [
        f"{turn.line.turn.name} [{turn.start_s:08.4f}-{turn.end_s:08.4f}]: {turn.line.text}" for turn in dialogue.turns
    ]
    if sex := NUMBERED_XX.get(dialogue.name):
        start_s = dialogue.turns[1].end_s
        lines.insert(2, f"{dialogue.name}_{sex}XX0 [{start_s:08.4f}-{start_s + 0.3:08.4f}]: [LAUGHTER]")
    if dialogue.name in BARE_LINES:
        lines.insert(3, BARE_LINES[dialogue.name])
    return "".join(f"{line}\n" for line in lines)


def evaluation(dialogue: Dialogue, seed: int) -> str:
    """Format an evaluation, by speaker and time; most evaluators choose the turn's label, or each another one."""
    blocks = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"]
    blocks += [_block(turn, seed) for turn in sorted(dialogue.turns, key=lambda turn: turn.line.turn.sex)]
    return "\n\n".join(blocks) + "\n"


def wdseg(turn: Spoken, seed: int) -> str:
    """Format word times as Sphinx's aligner does: frames of 10 ms from the start of the utterance, without gaps."""
    rng = generator(seed, "alignment", turn.line.turn.name)
    frames = round(100 * (turn.end_s - turn.start_s))
    rows: list[tuple[int, int, str]] = []
    at = 0
    for text, start_s, end_s in turn.tokens:
        first, end = max(at, round(100 * start_s)), round(100 * end_s)
        if first > at:
            rows.append((at, first - 1, "<sil>" if rows else "<s>"))
        word = text if text.startswith("++") else re.sub(r"[^\w']", "", text)
        if not text.startswith("++") and rng.random() < 0.15:
            word += "(2)"
        at = max(end, first + 1)
        rows.append((first, at - 1, word))
    rows.append((at, frames - 1, "</s>"))
    scores = [-int(rng.integers(10_000, 400_000)) for _ in rows]
    lines = ["\t{:>5} {:>5} {:>10} {}\n".format("SFrm", "EFrm", "SegAScr", "Word")]
    lines += [
        f"\t{first:5d} {last:5d} {score:10d} {word}\n" for (first, last, word), score in zip(rows, scores, strict=True)
    ]
    return "".join(lines) + f" Total score: {sum(scores):11d}\n"


def write_tables(root: Path, dialogue: Dialogue, seed: int) -> None:
    """Write the text files of one dialogue below `dialog/`, with the other files that the corpus has there."""
    folder, name = root / "EmoEvaluation", dialogue.name
    files = {
        root / "transcriptions" / f"{name}.txt": transcription(dialogue),
        folder / f"{name}.txt": evaluation(dialogue, seed),
        folder / f"{name}.anvil": "<annotation/>\n",
        folder / "Categorical" / f"{name}_e2_cat.txt": "".join(
            f"{turn.line.turn.name} :Neutral state;\n" for turn in dialogue.turns
        ),
        folder / "Attribute" / f"{name}_e3_atr.txt": "".join(
            f"{turn.line.turn.name} :act 3; :val 3; :dom  3;\n" for turn in dialogue.turns
        ),
        folder / "Self-evaluation" / f"{name}_f1_cat.txt": "".join(
            f"{turn.line.turn.name} :Neutral state;\n" for turn in dialogue.turns if turn.line.turn.sex == "F"
        ),
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _block(turn: Spoken, seed: int) -> str:
    name, label = turn.line.turn.name, turn.line.label
    rng = generator(seed, "ratings", name)
    given = _labels(label, name, rng)
    scores = {rater: _scores(label, rng) for rater in (*_SCORERS, f"{turn.line.turn.sex}1")}
    dominance = [scores[rater][2] for rater in _SCORERS if (name, rater) != (NO_DOMINANCE, _SCORERS[0])]
    means = [np.mean([scores[rater][k] for rater in _SCORERS]) for k in (0, 1)] + [np.mean(dominance)]
    triple = ", ".join(f"{mean:.4f}" for mean in means)
    lines = [f"[{turn.start_s:.4f} - {turn.end_s:.4f}]\t{name}\t{label}\t[{triple}]"]
    for rater, codes in given.items():
        words = " ".join(f"{EMOTIONS[code].capitalize()};" for code in codes)
        lines.append(f"C-{rater}:\t{words}\t({'undecided' if len(codes) > 1 else ''})")
    self_label = "neu" if label == NO_AGREEMENT or rng.random() < 0.3 else label
    lines.append(f"C-{turn.line.turn.sex}1:\t{EMOTIONS[self_label].capitalize()};\t()")
    for rater, (val, act, dom) in scores.items():
        shown = "" if (name, rater) == (NO_DOMINANCE, _SCORERS[0]) else str(dom)
        lines.append(f"A-{rater}:\tval {val}; act {act}; dom  {shown};\t()")
    return "\n".join(lines)


def _labels(label: str, name: str, rng: np.random.Generator) -> dict[str, tuple[str, ...]]:
    """Sample the labels of the evaluators: two or three choose the label; without a majority, each another one."""
    if label == NO_AGREEMENT:
        return dict(zip(_LABELLERS, (("neu",), ("fru",), ("sad",)), strict=True))
    third = label if rng.random() < 0.5 else str(rng.choice([code for code in EMOTIONS if code != label]))
    given: dict[str, tuple[str, ...]] = {_LABELLERS[0]: (label,), _LABELLERS[1]: (label,), _LABELLERS[2]: (third,)}
    if name == TWO_LABELS[0]:
        given[_LABELLERS[0]] = (label, TWO_LABELS[1])
    return given


def _scores(label: str, rng: np.random.Generator) -> tuple[int, int, int]:
    val, act, dom = (int(np.clip(middle + rng.integers(-1, 2), 1, 5)) for middle in _CENTRE.get(label, (3, 3, 3)))
    return val, act, dom
