"""What of the store becomes batches: clips of a fold, pictures, sequences, augmentation."""
