"""What a search finds for the same number of trials: our oracles against KerasTuner's."""
