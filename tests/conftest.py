"""Settings of all tests."""

import os

from hypothesis import settings

# The same code gets the same verdict. HYPOTHESIS_PROFILE=random draws new examples, as `make test-slow` does.
settings.register_profile("same", derandomize=True)
settings.register_profile("random")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))
