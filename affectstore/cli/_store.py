"""What the verbs that look at a store have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectstore.store.feature import Feature


def rate_text(rates: Sequence[str]) -> str:
    """Rows per second: "29.97/s", "12-30/s" or "times" where every row has its own."""
    if not rates:
        return "times"
    return "-".join(f"{float(Fraction(rate)):.6g}" for rate in rates) + "/s"


def weights_text(attributes: Mapping[str, Any]) -> str:
    """First digits of the digest of a feature's weights; where its own or an upstream feature's are random, whose."""
    random = attributes.get("random_weights") or []
    if random:
        return f"random weights: {', '.join(random)}"
    return (attributes.get("weights") or "")[:12]


def open_feature(address: str) -> Feature:
    """The feature at `results/store/crema-d/mel`, `crema-d/mel` or an fsspec address.

    Raises:
        StoreError: there is none.
    """
    from affectstore.errors import StoreError
    from affectstore.store.client import Store, folder_at
    from affectstore.store.feature import Feature
    from affectstore.store.paths import feature_folders, kind_of, resolve

    if "://" in address or "::" in address:
        # zip://crema-d/mel::store.zip: the feature is the last part of the first link
        first, *chained = address.split("::")
        corpus, _, name = first.rstrip("/").rpartition("/")
        return Store(folder_at("::".join([corpus, *chained])))[name]
    path = resolve(address)
    if kind_of(folder_at(path)) == "feature":
        return Feature(folder_at(path), path.absolute().name)
    known = ", ".join(map(str, feature_folders(path)))
    raise StoreError(f"{address} is no feature; name one of: {known}")
