"""Draw a picture for a lecture or a page, as PNG or SVG.

KIND is trajectories (the paths of optimizers over a surface), loss_curve (their loss by step),
outliers (the line of least squares beside that of least absolute errors) or schedules (the shape of
every learning-rate schedule). It needs Matplotlib: pip install "tuner-app[pictures]".
"""

from absl import flags

from tuner_app import catalogue, environment
from tuner_app.cli.parsing import define_whole_number
from tuner_app.errors import UserError, unknown

SUMMARY = "Draw optimizers' paths, their loss, outliers or schedules."
USAGE = "picture KIND [flags]"
EXPECTED = ", where KIND is trajectories, loss_curve, outliers or schedules."
KINDS = ("trajectories", "loss_curve", "outliers", "schedules")
OF_OPTIMIZERS = ("optimizers", "surface", "steps", "learning_rate")
SURFACES = ("quadratic", "rosenbrock", "beale", "himmelblau", "saddle")


def define_flags(flag_values: flags.FlagValues) -> None:
    flags.DEFINE_string(
        "output", "", "The file, ending in .png or .svg. Default: KIND.png.", flag_values
    )
    flags.DEFINE_list(
        "optimizers",
        ["sgd", "momentum", "rmsprop", "adam"],
        "For trajectories and loss_curve: names from `tuner-app list optimizers`.",
        flag_values,
    )
    flags.DEFINE_enum("surface", "beale", SURFACES, "The function that they minimize.", flag_values)
    define_whole_number("steps", 150, "How many steps they take.", flag_values)
    flags.DEFINE_float(
        "learning_rate",
        None,
        "One learning rate for all. Default: the best of eight for each.",
        lower_bound=0.0,
        flag_values=flag_values,
    )


def run(flag_values: flags.FlagValues, arguments: list[str]) -> int:
    kind = arguments[0]
    if kind not in KINDS:
        raise unknown("kind of picture", kind, KINDS)
    from tuner_app.pictures import drawing

    output = str(drawing.checked(flag_values.output or f"{kind}.png"))
    if kind in ("outliers", "schedules"):
        given = [name for name in OF_OPTIMIZERS if flag_values[name].present]
        if given:
            raise UserError(f"Got --{given[0]}, which the picture of {kind} has no use for.")
        if kind == "schedules":
            environment.import_quietly()
        from tuner_app.pictures import outliers, schedule_curves

        {"outliers": outliers, "schedules": schedule_curves}[kind].draw(output)
    else:
        names = flag_values.optimizers
        for name in names:
            if name not in catalogue.names("optimizers"):
                raise unknown("optimizer", name, catalogue.names("optimizers"))
        if not names or flag_values.steps < 1:
            raise UserError("A path needs at least one of --optimizers, and --steps of 1 or more.")
        environment.import_quietly()
        from tuner_app.pictures import trajectories

        draw = {
            "trajectories": trajectories.draw_trajectories,
            "loss_curve": trajectories.draw_loss_curve,
        }[kind]
        draw(names, flag_values.surface, flag_values.steps, flag_values.learning_rate, output)
    print(output)
    return 0
