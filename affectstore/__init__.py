"""Affectstore: a versioned feature store for multimodal emotion recognition.

>>> import affectstore
>>> store = affectstore.open("results/store/crema-d")  # doctest: +SKIP
>>> store["mel"]["1001_DFA_ANG_XX"]  # doctest: +SKIP
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from affectstore.store.client import Store

__all__ = ["__version__", "open"]
__version__ = "0.1.0"


def open(address: str | os.PathLike[str]) -> Store:
    """Open the store of one corpus for reading.

    Args:
        address: A folder (`results/store/crema-d`), or an fsspec address (`zip://crema-d::store.zip`,
            `https://...`, `s3://...`).

    Raises:
        affectstore.errors.StoreError: there is no store there, or the address is that of several stores
            or of one feature.
    """
    from affectstore.store.client import open_store

    return open_store(address)
