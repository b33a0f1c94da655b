"""Building blocks that encoders and fusions share: padded sequences, attention, transformer layers, LSTMs."""
