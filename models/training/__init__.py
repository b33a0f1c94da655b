"""Training of networks: the loop, its optimiser and batches, evaluation, checkpoints and saved models."""
