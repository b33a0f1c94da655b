"""From stored arrays to batches: clips of a fold, images, sequences, augmentation."""
