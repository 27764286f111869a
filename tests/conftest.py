"""Settings of all tests."""

import os
import tempfile

from hypothesis import HealthCheck, settings

# The same code gets the same verdict, on a busy machine too. HYPOTHESIS_PROFILE=random draws new examples, as `make
# test-slow` does.
untimed = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", untimed, derandomize=True)
settings.register_profile("random", untimed)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# What the user of this machine allows to workspaces is neither asked nor changed by tests.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="kgrec-tests-")
