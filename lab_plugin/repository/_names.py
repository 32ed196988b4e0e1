"""Which names may be in a tree: what git refuses, and what would mislead a person or another file system."""

from __future__ import annotations

# Code points that HFS+ drops when it compares names.
_IGNORED = dict.fromkeys((*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF))
_GIT = frozenset({".git", "git~1"})
_SPECIAL = frozenset({".gitmodules", ".gitattributes", "gitmod~1", "gitatt~1"})


def fault(name: str) -> str | None:
    """Why one path component can never be in a tree; None when it can.

    Args:
        name: As the file system gives it (undecodable bytes as surrogates).
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        return "is not a file name"
    if _variants(name) & _GIT:
        return "is or resembles `.git`"
    return None


def fault_of_new(name: str) -> str | None:
    """Why an edit may not add or change a file of this name; None when it may."""
    if (reason := fault(name)) is not None:
        return reason
    if _variants(name) & _SPECIAL:
        return "changes how git treats files"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "has control characters in its name"
    if "\\" in name:
        return "has a backslash in its name"
    if any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        return "has a name that is not UTF-8"
    return None


def path_fault(path: str) -> str | None:
    """Why a relative path can never be in a tree."""
    return next((reason for part in path.split("/") if (reason := fault(part)) is not None), None)


def leaves(link: str, target: str) -> bool:
    """Whether a symbolic link may lead out of the tree.

    `..` is accepted only at the start of the target, where every parent is a real folder; after any other
    part it could step out of a folder that is itself a link.

    Args:
        link: The link's path in the tree.
        target: What it points to.
    """
    if target == "" or target.startswith("/") or "\0" in target:
        return True
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = 0
    while ups < len(parts) and parts[ups] == "..":
        ups += 1
    return ups > link.count("/") or any(_is_unsafe(part) for part in parts[ups:])


def _is_unsafe(part: str) -> bool:
    return part == ".." or fault(part) is not None


def _variants(name: str) -> set[str]:
    """The names that HFS+ and NTFS take this one for, in lower case."""
    plain = name.translate(_IGNORED).lower()
    short = name.lower()
    for separator in ("\\", ":"):
        short = short.partition(separator)[0]
    return {plain, short.rstrip(" ."), name.lower()}
