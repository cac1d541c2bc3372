# SPDX-License-Identifier: Apache-2.0
"""Every file of test data, with what makes it."""

from tests.vectors import envelopes, groups
from tests.vectors.groups import Make

FILES: dict[str, Make] = {**envelopes.FILES, **groups.FILES}
