"""Answers that hold: what a search found, tried again, compared, checked and tested.

A search picks its winner by one run each, on examples that it has looked at many times. Here the
best are run again with fresh seeds (`confirming`), optimizers are compared at equal budgets
(`comparing`), a model and its data are checked before they are searched (`checking`), the test set
is opened once (`testing`), and the winner is trained on all there is (`training`).
"""
