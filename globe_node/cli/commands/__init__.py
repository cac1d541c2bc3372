# SPDX-License-Identifier: Apache-2.0
"""One module for each command; loaded when it is called."""
