"""A tree with every folder and name of a complete IEMOCAP and nothing in its media: 10,039 made-up utterances.

What is in it is counted as the corpus is: sessions, classes, and the two utterances without an alignment. Which
utterance has which label, and all of the text, is invented.
"""

import random
from itertools import product
from pathlib import Path

DIALOGUES = {"1": 28, "2": 30, "3": 32, "4": 30, "5": 31}
UTTERANCES = {"1": 1819, "2": 1811, "3": 2136, "4": 2103, "5": 2170}
FOUR_CLASSES = {"1": 1085, "2": 1023, "3": 1151, "4": 1031, "5": 1241}
LABELS = {
    "xxx": 2507, "fru": 1849, "neu": 1708, "ang": 1103, "sad": 1084, "exc": 1041,
    "hap": 595, "sur": 107, "fea": 40, "oth": 3, "dis": 2,
}  # fmt: skip
FOUR = ("neu", "hap", "exc", "ang", "sad")
#: The two utterances without an alignment, and labels that seed 003's counts say they have.
UNALIGNED = {"Ses03F_impro07_M030": "exc", "Ses03M_impro03_M001": "xxx"}
#: Transcriptions of the ten that are only breathing or garbage.
NOISE = ("[BREATHING]", "[GARBAGE]", "[BREATHING] [GARBAGE]", "[GARBAGE]", "[BREATHING]") * 2
_WORDS = {
    "neu": "Neutral", "hap": "Happiness", "exc": "Excited", "ang": "Anger", "sad": "Sadness", "fru": "Frustration",
    "sur": "Surprise", "fea": "Fear", "oth": "Other", "dis": "Disgust",
}  # fmt: skip
_WORD_TIMES = "".join(
    [
        "\t SFrm  EFrm    SegAScr Word\n",
        "\t    0    40     -50000 <s>\n",
        *(
            f"\t{41 + 20 * k:5d} {60 + 20 * k:5d}    -100000 {word}\n"
            for k, word in enumerate(["WE", "MEET", "AT", "NOON"])
        ),
        "\t  121   174     -60000 </s>\n",
        " Total score:     -510000\n",
    ]
)


def dialogues(session: str) -> list[str]:
    """Names of the dialogues of a session, as many as it has."""
    scripts = [f"script0{a}_{b}" for a, b in ((1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (3, 1), (3, 2))]
    kinds = [*(f"impro0{number}" for number in range(1, 9)), *scripts]
    names = [f"Ses0{session}{wearer}_{kind}" for wearer, kind in product("FM", kinds)]
    odd = {"3": ["Ses03M_impro05b", "Ses03M_impro08b"], "5": ["Ses05M_script01_1b"]}.get(session, [])
    return sorted([*names[: DIALOGUES[session] - len(odd)], *odd])


def labelled(seed: int = 0) -> dict[str, str]:
    """Make the consensus code of every utterance, with the counts of the corpus."""
    rng = random.Random(seed)
    four = [code for code in FOUR for _ in range(LABELS[code])]
    other = [code for code in LABELS if code not in FOUR for _ in range(LABELS[code])]
    four.remove("exc")  # the two unaligned ones have theirs
    other.remove("xxx")
    rng.shuffle(four)
    rng.shuffle(other)
    found = dict(UNALIGNED)
    for session, total in UTTERANCES.items():
        names = _names(session, total)
        here = [UNALIGNED[name] for name in names if name in UNALIGNED]
        wanted = FOUR_CLASSES[session] - sum(code in FOUR for code in here)
        codes = [four.pop() for _ in range(wanted)]
        codes += [other.pop() for _ in range(total - len(here) - wanted)]
        rng.shuffle(codes)
        free = (name for name in names if name not in UNALIGNED)
        found |= dict(zip(free, codes, strict=True))
    return dict(sorted(found.items()))


def write(root: Path) -> dict[str, str]:
    """Write the tree; return the labels by utterance."""
    labels = labelled()
    agreed = [name for name, code in labels.items() if code in FOUR and name not in UNALIGNED]
    noise = dict(zip(agreed[7::500], NOISE, strict=False))
    by_dialogue: dict[str, list[str]] = {}
    for name in labels:
        by_dialogue.setdefault(name.rpartition("_")[0], []).append(name)
    for session in DIALOGUES:
        folder = root / f"Session{session}"
        for part in ("dialog/avi/DivX", "dialog/wav", "dialog/EmoEvaluation/Categorical", "dialog/transcriptions"):
            (folder / part).mkdir(parents=True)
        for dialogue in dialogues(session):
            (folder / f"dialog/avi/DivX/{dialogue}.avi").touch()
            (folder / f"dialog/wav/{dialogue}.wav").touch()
            _write_dialogue(folder, dialogue, by_dialogue[dialogue], labels, noise)
    return labels


def _names(session: str, total: int) -> list[str]:
    names: list[str] = []
    listed = dialogues(session)
    for index, dialogue in enumerate(listed):
        count = total // len(listed) + (index < total % len(listed))
        women = count // 2
        names += [f"{dialogue}_F{number:03d}" for number in range(women)]
        names += [f"{dialogue}_M{number:03d}" for number in range(count - women)]
    return names


def _write_dialogue(folder: Path, dialogue: str, names: list[str], labels: dict[str, str], noise: dict[str, str]):
    sounds, aligned = (folder / f"sentences/{part}/{dialogue}" for part in ("wav", "ForcedAlignment"))
    sounds.mkdir(parents=True)
    aligned.mkdir(parents=True)
    evaluation = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"]
    said: list[tuple[float, str]] = []
    for index, name in enumerate(names):
        start_s, end_s = 1.5 + 2 * index, 3.25 + 2 * index
        (sounds / f"{name}.wav").touch()
        if name not in UNALIGNED:
            (aligned / f"{name}.wdseg").write_text(_WORD_TIMES)
        said.append((start_s, f"{name} [{start_s:08.4f}-{end_s:08.4f}]: {noise.get(name, 'We meet at noon.')}"))
        votes = [_WORDS[labels[name]]] * 3 if labels[name] != "xxx" else ["Anger", "Sadness", "Neutral"]
        evaluation += [
            f"[{start_s:.4f} - {end_s:.4f}]\t{name}\t{labels[name]}\t[2.5000, 3.0000, 3.5000]",
            *(f"C-E{rater}:\t{vote};\t()" for rater, vote in enumerate(votes, 2)),
            *(f"A-E{rater}:\tval {rater}; act 3; dom  {rater - 1};\t()" for rater in (3, 4)),
            "",
        ]
    (folder / f"dialog/EmoEvaluation/{dialogue}.txt").write_text("\n".join(evaluation) + "\n")
    lines = [line for _, line in sorted(said)]
    (folder / f"dialog/transcriptions/{dialogue}.txt").write_text("\n".join(lines) + "\n")
