"""What a trial's message says where one that Hyperband promotes can't go on from its very end."""

GOES_ON_FROM = "what is promoted from it goes on from "
FROM_BEST = f"stopped early in its last epoch: {GOES_ON_FROM}its best weights"
FROM_WEIGHTS = f"{GOES_ON_FROM}its weights alone"
