"""Gaussian process with an expected improvement; for few, expensive trials. Needs PyTorch."""

from types import SimpleNamespace

import optuna

NAME = "gp"
PACKAGE, EXTRA = "torch", "gp"


class GPSampler(optuna.samplers.GPSampler):
    """Optuna's Gaussian process (log expected improvement; Ament et al., 2023).

    Optuna begins the fit of the kernel where the last one ended, so where that was is kept.
    """

    @property
    def kept(self) -> list:
        """The kernel's parameters after the last fit, for each objective, as a JSON value."""
        return [
            [
                process.inverse_squared_lengthscales.tolist(),
                process.kernel_scale.item(),
                process.noise_var.item(),
            ]
            for process in self._gprs_cache_list or ()
        ]

    @kept.setter
    def kept(self, value: list) -> None:
        import torch

        def tensor(numbers):
            return torch.tensor(numbers, dtype=torch.float64)

        self._gprs_cache_list = [
            SimpleNamespace(
                inverse_squared_lengthscales=tensor(lengths),
                kernel_scale=tensor(scale),
                noise_var=tensor(noise),
            )
            for lengths, scale, noise in value
        ] or None


def sampler(seed: int, **options) -> GPSampler:
    """The sampler of a search. Open trials count as if they gave the best value so far."""
    return GPSampler(seed=seed, warn_independent_sampling=False, **options)
