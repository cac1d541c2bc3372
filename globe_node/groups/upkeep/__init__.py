# SPDX-License-Identifier: Apache-2.0
"""Groups are kept fit: leaves that fell go, members that lack one come back, and keys are renewed."""
