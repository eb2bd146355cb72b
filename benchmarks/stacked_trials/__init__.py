"""Stacked trials against KerasTuner, Optuna and Ray Tune. See `__main__`."""
