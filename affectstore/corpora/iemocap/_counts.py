"""Numbers of utterances of the complete corpus, for each value of the option `utterances`.

The numbers of `all` and `four_classes` were counted in the corpus' label files. 5,520 is the number of the study behind
`seed_003`: 5,531 without one that has no forced alignment and ten that are breathing or garbage.
"""

from __future__ import annotations

from collections.abc import Mapping

from affectstore.corpora.iemocap._names import SESSIONS

#: Majority labels of the usual task of four classes, with `exc` counted as `hap`.
FOUR_CLASSES = ("ang", "hap", "exc", "sad", "neu")


def _by_session(*counts: int) -> dict[str, int]:
    return {f"session:{session}": count for session, count in zip(SESSIONS, counts, strict=True)}


_LABELS = {
    "label:ang": 1103,
    "label:hap": 595,
    "label:exc": 1041,
    "label:sad": 1084,
    "label:neu": 1708,
    "label:fru": 1849,
    "label:fea": 40,
    "label:sur": 107,
    "label:dis": 2,
    "label:oth": 3,
}

COUNTS: Mapping[str, Mapping[str, int]] = {
    "all": {
        "clips": 10039,
        "speakers": 10,
        **_by_session(1819, 1811, 2136, 2103, 2170),
        **_LABELS,
        "no_label": 2507,
    },
    "four_classes": {
        "clips": 5531,
        "speakers": 10,
        **_by_session(1085, 1023, 1151, 1031, 1241),
        **{name: count for name, count in _LABELS.items() if name.removeprefix("label:") in FOUR_CLASSES},
        "no_label": 0,
    },
    "seed_003": {"clips": 5520, "speakers": 10, "no_label": 0},
}
