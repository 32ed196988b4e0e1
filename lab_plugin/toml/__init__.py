"""TOML with line numbers; safe to call on what an attacker wrote."""

from lab_plugin.toml._document import Document, TomlFault, parse_toml
from lab_plugin.toml._positions import MAX_KEY_PARTS, Place, Positions

__all__ = ["MAX_KEY_PARTS", "Document", "Place", "Positions", "TomlFault", "parse_toml"]
