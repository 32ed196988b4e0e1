"""Declared outputs held against their schemas, and the canonical copies that a scorer sees instead of them.

What a candidate wrote is hostile: nothing here unpickles, evaluates or believes it.
"""

from lab_plugin.outputs._canonical import canonical_outputs

__all__ = ["canonical_outputs"]
