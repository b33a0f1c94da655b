"""One face followed through the frames of a clip: selection, breaks of its track, interpolation and smoothing.

Frames are searched sparsely (every k-th), then around breaks of the track, and the boxes of the others are
interpolated between detections. A detector's boxes jitter from frame to frame (their height by 2.4 %),
so a short filter over the detections comes nearer to the boxes of frames that were not searched, and
a long one cuts corners. On 5,539 frames of 78 CREMA-D clips, every fifth searched, this part of the boxes
overlaps MTCNN's own of the same frame by at least .9: straight lines 95.7 %, a filter of standard deviation
.6 96.0 %, of 1 95.1 %; that of .6, with breaks searched, 97.0 % (every third frame: 98.1 %, tenth: 94.1 %).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from affectstore.features.video._mtcnn import Face

Select = Literal["largest", "probability", "tracked"]

#: Boxes that overlap less than this are not one face that moved: nothing is smoothed or interpolated across.
SAME_FACE_OVERLAP = 0.3

# Weights beyond this many standard deviations are left out, so that distant rows have no influence.
_WINDOW_SD = 3.0


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the intersection over union of two boxes x1 y1 x2 y2."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width) * float(height)
    return shared / (_area(one) + _area(other) - shared)


def select_faces(seen: Mapping[int, Sequence[Face]], select: Select) -> dict[int, Face]:
    """Select one face in each frame; frames without a face are left out.

    Args:
        seen: Faces of each searched frame, the largest first, by the frame's number.
        select: `largest` and `probability` select in each frame alone. `tracked` starts with the largest face of
            all frames and follows it both ways by overlap; where it is lost, the track continues with a face that
            appears, but not with one that was visible beside it.
    """
    numbers = sorted(number for number, faces in seen.items() if faces)
    if select == "largest":
        return {number: seen[number][0] for number in numbers}
    if select == "probability":
        return {number: max(seen[number], key=lambda face: face.probability) for number in numbers}
    if not numbers:
        return {}
    best = max(numbers, key=lambda number: _area(seen[number][0].box))
    later = _follow(seen, best, (number for number in numbers if number > best))
    earlier = _follow(seen, best, (number for number in reversed(numbers) if number < best))
    return {best: seen[best][0], **later, **earlier}


def _follow(seen: Mapping[int, Sequence[Face]], best: int, numbers: Iterable[int]) -> dict[int, Face]:
    """Follow the face of frame `best` through other frames; return its track in that order."""
    last, *others = seen[best]
    track: dict[int, Face] = {}
    for number in numbers:
        faces = seen[number]
        following = max(faces, key=lambda face: overlap(face.box, last.box))
        if overlap(following.box, last.box) < SAME_FACE_OVERLAP:
            appeared = [face for face in faces if not any(_same(face, other) for other in others)]
            if not appeared:
                others = list(faces)
                continue
            following = appeared[0]
        last = track[number] = following
        others = [face for face in faces if face is not following]
    return track


def frames_to_search(
    track: Mapping[int, Face], seen: Iterable[int], least_overlap: float, least_probability: float
) -> frozenset[int]:
    """Select the frames to search next: the middle of every stretch between searched frames in which the track breaks.

    It breaks where either end has no face or one less probable than `least_probability`, and where the
    two boxes overlap less than `least_overlap`. Repeated until nothing is left, the search halves
    the stretches down to the frames around a break, or to those without a face.
    """
    return frozenset(
        (first + last) // 2
        for first, last in itertools.pairwise(sorted(seen))
        if last - first > 1
        and not (
            first in track
            and last in track
            and min(track[first].probability, track[last].probability) >= least_probability
            and overlap(track[first].box, track[last].box) >= least_overlap
        )
    )


def interpolate(track: Mapping[int, Face], times_s: Sequence[float], smooth_sd: float) -> list[Face]:
    """Interpolate a face for every frame: detections are smoothed, those between lie on a straight line in time.

    Where consecutive detections are not one face that moved (a cut, another person), the track is cut, and
    frames around the cut take the nearest detection, as do those before the first and after the last.

    Args:
        track: Detections by the frame's number; at least one.
        times_s: Time of each frame, rising.
        smooth_sd: Standard deviation of the filter, in detections; 0 for none (see `smooth`).

    Returns:
        Faces with the probability of the detection; 0 for interpolated ones.
    """
    numbers = sorted(track)
    known_s = np.array([times_s[number] for number in numbers])
    # A row is x1 y1 x2 y2 and five times x y.
    values = np.array([np.append(track[number].box, track[number].landmarks) for number in numbers])
    cuts = [
        at
        for at in range(1, len(numbers))
        if overlap(track[numbers[at - 1]].box, track[numbers[at]].box) < SAME_FACE_OVERLAP
    ]
    edges_s = [(known_s[at - 1] + known_s[at]) / 2 for at in cuts]
    piece_of = np.searchsorted(edges_s, times_s, side="right")
    rows = np.empty((len(times_s), values.shape[1]), dtype=np.float32)
    for piece, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(numbers)], strict=True)):
        own = np.flatnonzero(piece_of == piece)
        at_s, line = known_s[first:last], smooth(values[first:last], known_s[first:last], smooth_sd)
        rows[own] = np.stack([np.interp(np.asarray(times_s)[own], at_s, column) for column in line.T], axis=1)
    return [
        Face(row[:4], row[4:].reshape(5, 2), track[number].probability if number in track else 0.0)
        for number, row in enumerate(rows)
    ]


def smooth(values: np.ndarray, times_s: np.ndarray, sd: float) -> np.ndarray:
    """Smooth values by local linear regression (Cleveland 1979) with Gaussian weights.

    Weights count in rows, so the filter follows the density of detections; the lines are fitted over
    time, so that even motion is preserved, to both ends and however uneven the steps.

    Args:
        values: float (row, feature).
        times_s: float (row,), rising.
        sd: Standard deviation of the weights, in rows; 0 returns the values unchanged.

    Returns:
        Array of the values' shape and dtype.
    """
    reach = int(_WINDOW_SD * sd)
    if reach == 0 or len(values) < 3:
        return values
    lines = np.empty_like(values)
    for row in range(len(values)):
        near = np.arange(max(row - reach, 0), min(row + reach + 1, len(values)))
        weights = np.exp(-0.5 * ((near - row) / sd) ** 2)
        weights /= weights.sum()
        middle_s = weights @ times_s[near]
        off_s = weights * (times_s[near] - middle_s)
        mean = weights @ values[near].astype(np.float64)
        slope = off_s @ values[near] / (off_s @ (times_s[near] - middle_s))
        lines[row] = mean + slope * (times_s[row] - middle_s)
    return lines


def _same(one: Face, other: Face) -> bool:
    return overlap(one.box, other.box) >= SAME_FACE_OVERLAP


def _area(box: np.ndarray) -> float:
    return float(box[2] - box[0]) * float(box[3] - box[1])
