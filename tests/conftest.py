# SPDX-License-Identifier: Apache-2.0
"""What holds for every test: examples are judged by what they do, not by how fast a busy machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
