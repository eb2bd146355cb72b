"""`python -m tuner_app` is the same as the `tuner-app` command."""

import sys

from tuner_app.cli.main import main

sys.exit(main())
