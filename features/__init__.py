"""Extractors, imported as `affectstore.features`."""

if __name__ != "affectstore.features":
    raise ImportError("import affectstore.features; the bare name would make a second copy of every extractor")
