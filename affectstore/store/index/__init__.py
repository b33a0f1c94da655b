"""Documents and arrays by which clips are found: ledgers, catalogs, keys, offsets."""
