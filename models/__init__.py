"""Networks and baselines: their parts, training and evaluation; imported as `affectstore.models`."""

if __name__ != "affectstore.models":
    raise ImportError("import affectstore.models; the bare name would make a second copy of every model")
