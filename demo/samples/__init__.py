# SPDX-License-Identifier: Apache-2.0
"""Networks of invented authorities, all marked as samples: for trying out, showing and measuring."""
