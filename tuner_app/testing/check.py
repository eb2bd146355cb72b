"""The conformance suite of rules in one call, without pytest."""

from tuner_app.testing.rules import RuleConformance


def check_rule(optimizer, reference=None, **arguments) -> None:
    """Runs the tests of `RuleConformance` on an optimizer.

    Args:
        optimizer: The class, or a function of keyword arguments that makes a new optimizer.
        reference: As in `RuleConformance`.
        **arguments: What every optimizer is made with. Where one has the name of an attribute of
            `RuleConformance` (`steps`, `fall`, `stacks`, `settle`), that attribute.

    Raises:
        AssertionError: Tests failed; all are named.

        def reference(x, g, state, t, learning_rate):
            return x - learning_rate * g

        check_rule(keras.optimizers.SGD, reference)
    """
    settings = {
        name: arguments.pop(name)
        for name in ("steps", "fall", "stacks", "settle")
        if name in arguments
    }
    body = settings | {"optimizer": optimizer, "reference": reference, "arguments": arguments}
    suite = type("Rule", (RuleConformance,), body)()
    failed, tests = {}, [name for name in dir(suite) if name.startswith("test_")]
    for name in tests:
        try:
            getattr(suite, name)()
        except Exception as error:
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            failed[name.removeprefix("test_")] = f"{kind}{error}"
    if failed:
        named = getattr(optimizer, "__name__", repr(optimizer))
        lines = "".join(f"\n  {name}: {reason}" for name, reason in failed.items())
        raise AssertionError(f"{named}: {len(failed)} of {len(tests)} tests failed:{lines}")
