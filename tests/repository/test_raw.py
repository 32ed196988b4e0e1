"""Commits taken apart from their bytes."""

from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.repository import RawCommit

IDS = st.text("0123456789abcdef", min_size=40, max_size=40)
# Whatever a line of a header may hold, also what looks like another header.
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=60).filter(
    lambda text: not text.startswith(" ")
)


@given(tree=IDS, parents=st.lists(IDS, max_size=3), author=VALUES, committer=VALUES, message=st.binary())
def test_a_usual_commit_is_read_as_one_with_a_further_header(
    tree: str, parents: list[str], author: str, committer: str, message: bytes
) -> None:
    above = [f"parent {parent}" for parent in parents]
    lines = [f"tree {tree}", *above, f"author {author}", f"committer {committer}"]
    usual = RawCommit.parse("", "\n".join(lines).encode() + b"\n\n" + message)
    other = RawCommit.parse("", "\n".join([*lines, "encoding UTF-8"]).encode() + b"\n\n" + message)
    assert (usual.tree, usual.parents, usual.author, usual.committer, usual.message) == (
        tree,
        tuple(parents),
        author,
        committer,
        message,
    )
    assert other._replace(others=(), data=b"") == usual._replace(data=b"")
    assert (usual.others, other.others) == ((), ("encoding",))
