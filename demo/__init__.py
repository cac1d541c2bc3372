# SPDX-License-Identifier: Apache-2.0
"""The demonstration: the main job as a story, run from outside with the product's own commands."""
