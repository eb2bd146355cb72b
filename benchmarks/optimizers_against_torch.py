"""Each rule beside PyTorch's and pytorch_optimizer's: the worst difference in 100 float32 steps.

    pip install torch pytorch_optimizer      # needed by nothing else here
    python benchmarks/optimizers_against_torch.py [--only=soap]

The columns of `docs/optimizers-against-libraries.md` that no test holds, since CI has no PyTorch.
Ours run on Keras's torch backend. "as it is" rows are those that the document says differ.
"""

import argparse
import contextlib
import os
import unittest.mock

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import pytorch_optimizer as P
import torch
from torch import optim as T

from tuner_app import optimizers as O

STEPS, RATE = 100, 0.01
RNG = np.random.default_rng(4)
GRADIENTS = [
    [RNG.normal(0.3, 1, shape).astype("float32") for shape in ((4, 3), (3,))] for _ in range(STEPS)
]
START = [RNG.normal(size=shape).astype("float32") for shape in ((4, 3), (3,))]
BOTH, MATRIX = (0, 1), (0,)
LIKE_ADAM = {"lr_1d": RATE, "betas_1d": (0.95, 0.99), "weight_decay_1d": 0.1}

# A row: name, library, arguments of ours, how theirs is made of parameters, which variables.
D, ALL = {"weight_decay": 0.1}, {"weight_decay": 0.1, "no_decay": ()}
ROWS = [
    ("sgd", "torch", ALL, lambda p: T.SGD(p, RATE, **D)),
    ("momentum", "torch", {}, lambda p: T.SGD(p, RATE, momentum=0.9)),
    ("nesterov", "torch", {}, lambda p: T.SGD(p, RATE, momentum=0.9, nesterov=True)),
    ("adagrad", "torch", {"epsilon": 1e-4}, lambda p: T.Adagrad(p, RATE, eps=1e-4)),
    (
        *("rmsprop", "torch", {"rho": 0.95, "epsilon": 1e-4}),
        lambda p: T.RMSprop(p, RATE, alpha=0.95, eps=1e-4),
    ),
    (
        *("adadelta", "torch", {"learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-4}),
        lambda p: T.Adadelta(p, 1.0, rho=0.9, eps=1e-4),
    ),
    ("adam", "torch", {"epsilon": 1e-3}, lambda p: T.Adam(p, RATE, eps=1e-3)),
    ("amsgrad", "torch", {"epsilon": 1e-3}, lambda p: T.Adam(p, RATE, eps=1e-3, amsgrad=True)),
    ("adamw", "torch", ALL, lambda p: T.AdamW(p, RATE, **D)),
    ("radam", "torch", {"beta_2": 0.99}, lambda p: T.RAdam(p, RATE, betas=(0.9, 0.99))),
    ("nadam", "torch, as it is", {}, lambda p: T.NAdam(p, RATE)),
    (
        *("muon", "torch, as it is", D),
        lambda p: T.Muon(p, RATE, **D, adjust_lr_fn="match_rms_adamw"),
        MATRIX,
    ),
    (
        *("muon", "torch, in float32", D),
        lambda p: T.Muon(p, RATE, **D, adjust_lr_fn="match_rms_adamw"),
        MATRIX,
    ),
    ("adabelief", "pytorch_optimizer", {}, lambda p: P.AdaBelief(p, RATE)),
    (
        *("adabound", "pytorch_optimizer", {"final_ratio": 10.0, "gamma": 0.01}),
        lambda p: P.AdaBound(p, RATE, final_lr=0.1, gamma=0.01),
    ),
    ("yogi", "pytorch_optimizer", {}, lambda p: P.Yogi(p, RATE)),
    ("adan", "pytorch_optimizer", ALL, lambda p: P.Adan(p, RATE, **D)),
    (
        *("lars", "pytorch_optimizer", {"trust": 0.1, **ALL}),
        lambda p: P.LARS(p, RATE, trust_coefficient=0.1, **D),
        MATRIX,
    ),
    ("lamb", "pytorch_optimizer, as it is", {}, lambda p: P.Lamb(p, RATE)),
    ("signsgd", "pytorch_optimizer", {}, lambda p: P.SignSGD(p, RATE, momentum=0.0)),
    ("signum", "pytorch_optimizer", {}, lambda p: P.SignSGD(p, RATE, momentum=0.9)),
    ("lion", "pytorch_optimizer", ALL, lambda p: P.Lion(p, RATE, **D)),
    ("cautious", "pytorch_optimizer", {"inner": "lion"}, lambda p: P.Lion(p, RATE, cautious=True)),
    (
        *("ademamix", "pytorch_optimizer", ALL),
        lambda p: P.AdEMAMix(p, RATE, **D, weight_decouple=True),
    ),
    ("adopt", "pytorch_optimizer, as it is", {}, lambda p: P.ADOPT(p, RATE)),
    (
        *("adopt", "pytorch_optimizer, its clip_lambda that of the second version", {}),
        lambda p: P.ADOPT(p, RATE, clip_lambda=lambda t: (t - 1) ** 0.25),
    ),
    (
        *("mars", "pytorch_optimizer", {"gamma": 0.025, **ALL}),
        lambda p: P.MARS(p, RATE, **D, optimize_1d=True, **LIKE_ADAM),
    ),
    (
        *("prodigy", "pytorch_optimizer", {"learning_rate": 1.0, "initial_d": 1e-4}),
        lambda p: P.Prodigy(p, 1.0, d0=1e-4, bias_correction=True),
    ),
    *(
        (
            *("prodigy", f"pytorch_optimizer, decay, from {d:g}"),
            {"learning_rate": 1.0, "initial_d": d, **ALL},
            lambda p, d=d: P.Prodigy(p, 1.0, d0=d, **D, bias_correction=True),
        )
        for d in (1e-4, 1e-2)
    ),
    (
        *("d_adaptation", "pytorch_optimizer", {"learning_rate": 1.0, "initial_d": 1e-4}),
        lambda p: P.DAdaptAdam(p, 1.0, d0=1e-4, bias_correction=True),
    ),
    (
        *("shampoo", "pytorch_optimizer", {"rho": 0.0, "epsilon": 1e-2, "period": 1}),
        lambda p: P.Shampoo(p, RATE, matrix_eps=1e-2),
    ),
    (
        *("soap", "pytorch_optimizer", {"weight_decay": 0.0}),
        lambda p: P.SOAP(p, RATE, weight_decay=0.0),
        MATRIX,
    ),
    (
        *("soap", "pytorch_optimizer, period 3", {"weight_decay": 0.0, "period": 3}),
        lambda p: P.SOAP(p, RATE, weight_decay=0.0, precondition_frequency=3),
        MATRIX,
    ),
    ("soap", "pytorch_optimizer, with decay", D, lambda p: P.SOAP(p, RATE, **D), MATRIX),
    (
        *("schedule_free_sgd", "pytorch_optimizer", ALL),
        lambda p: P.ScheduleFreeSGD(p, RATE, **D),
    ),
    (
        *("schedule_free_adamw", "pytorch_optimizer", ALL),
        lambda p: P.ScheduleFreeAdamW(p, RATE, **D),
    ),
    (
        *("lookahead", "pytorch_optimizer", {"inner": "momentum"}),
        lambda p: P.Lookahead(T.SGD(p, RATE, momentum=0.9), k=5, alpha=0.5),
    ),
    (
        *("sam", "pytorch_optimizer", {"inner": "momentum"}),
        lambda p: P.SAM(p, T.SGD, rho=0.05, lr=RATE, momentum=0.9),
    ),
    (
        *("asam", "pytorch_optimizer", {"inner": "momentum", "floor": 0.0}),
        lambda p: P.SAM(p, T.SGD, rho=0.5, adaptive=True, lr=RATE, momentum=0.9),
    ),
]


def ours(name, arguments, which):
    """The variables after each step."""
    optimizer = O.get(name)(**{"learning_rate": RATE, **arguments})
    variables = [keras.Variable(START[i], name=f"w{i}") for i in which]
    for gradients in GRADIENTS:
        optimizer.apply([torch.tensor(gradients[i]) for i in which], variables)
        yield [variable.value.detach().numpy().copy() for variable in variables]


def theirs(make, which):
    """The same of theirs; those of two gradients take them in turns, as ours do."""
    parameters = [torch.nn.Parameter(torch.tensor(START[i])) for i in which]
    optimizer = make(parameters)
    if hasattr(optimizer, "train"):
        optimizer.train()
    for t, gradients in enumerate(GRADIENTS):
        for parameter, i in zip(parameters, which, strict=True):
            parameter.grad = torch.tensor(gradients[i])
        if isinstance(optimizer, P.SAM):
            (optimizer.first_step if t % 2 == 0 else optimizer.second_step)(zero_grad=False)
        else:
            optimizer.step()
        yield [parameter.detach().numpy().copy() for parameter in parameters]


def difference(a, b):
    return max(np.abs(x - y).max() / np.abs(y).max() for x, y in zip(a, b, strict=True))


def averaged():
    """SWA beside PyTorch's `swa_utils`, at the averages."""
    optimizer = O.SWA(RATE, inner="momentum", start=3, period=2)
    variable = keras.Variable(START[0])
    layer = torch.nn.Linear(3, 4, bias=False)
    layer.weight = torch.nn.Parameter(torch.tensor(START[0]))
    momentum = T.SGD(layer.parameters(), RATE, momentum=0.9)
    mean, worst = T.swa_utils.AveragedModel(layer), 0.0
    for t, (gradient, _) in enumerate(GRADIENTS, start=1):
        layer.weight.grad = torch.tensor(gradient)
        momentum.step()
        optimizer.apply([torch.tensor(gradient)], [variable])
        if t >= 3:
            if t % 2:
                mean.update_parameters(layer)
            pair = optimizer.eval_param(variable), mean.module.weight
            worst = max(worst, difference(*([x.detach().numpy()] for x in pair)))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help="some rules, separated by commas")
    only = parser.parse_args().only
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, keras {keras.__version__}")
    for name, library, arguments, make, *which in ROWS:
        if only and name not in only.split(","):
            continue
        which = which[0] if which else BOTH
        whole = contextlib.nullcontext()
        if "in float32" in library:
            whole = unittest.mock.patch.object(torch.Tensor, "bfloat16", lambda tensor: tensor)
        with whole:
            pairs = zip(ours(name, arguments, which), theirs(make, which), strict=True)
            found = [difference(a, b) for a, b in pairs]
        step = int(np.argmax(found))
        print(f"{name:22} {found[step]:.1e} (step {step + 1:3})  {library}", flush=True)
    if not only or "swa" in only.split(","):
        print(f"{'swa':22} {averaged():.1e}             torch, swa_utils")


if __name__ == "__main__":
    main()
