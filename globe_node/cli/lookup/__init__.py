# SPDX-License-Identifier: Apache-2.0
"""The commands of `globe-node directory` that look somebody up, and how they show what was found."""
