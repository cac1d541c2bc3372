# SPDX-License-Identifier: Apache-2.0
"""The steps of the schema. A step is never changed once it has been released; a new one is added."""
