"""The command line: absl flags with sub-commands, one file a command.

A command is a module with a `SUMMARY`, a `USAGE`, `define_flags(flag_values)` and
`run(flag_values, arguments) -> exit status`. It imports what is heavy inside `run`, so that
`--help` answers at once.
"""
