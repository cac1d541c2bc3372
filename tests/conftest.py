# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: the same examples at every run, judged by what they do, not by how fast.

`EXPLORE=1 make test` draws new examples; what it finds becomes a named test. Planted defects (`make mutants`)
have to be noticed, not explained.
"""

import os

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", parent=settings.get_profile("house"), derandomize=False)
settings.register_profile(
    "mutation", parent=settings.get_profile("house"), phases=(Phase.explicit, Phase.generate), database=None
)
settings.load_profile(
    "explore" if os.environ.get("EXPLORE") else "mutation" if os.environ.get("MUTATION") else "house"
)
