"""The lab's types of blocks on its own API: known from the start, with logos that need no network."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from lab_plugin.blocks import BLOCKS
from lab_plugin.blocks._logos import logo_url
from lab_plugin.local_api import LocalApi
from lab_plugin.local_api._settings import forget_old_memos


def test_a_server_knows_them_and_serves_their_logos(served: LocalApi) -> None:
    url = served.wait()
    with httpx.Client(trust_env=False, timeout=60) as client:
        for block in BLOCKS:
            slug = block.get_block_type_slug()
            told = client.get(f"{url}/block_types/slug/{slug}").json()
            assert (told["name"], told["description"]) == (block.get_block_type_name(), block._description)
            assert told["logo_url"] == f"{url.removesuffix('/api')}/lab/logos/{slug}.svg"
            answer = client.get(told["logo_url"])
            assert answer.headers["content-type"] == "image/svg+xml"
            root = ET.fromstring(answer.content)
            assert root.tag.endswith("svg") and root.get("width") == root.get("height")
            head = client.head(told["logo_url"])
            assert (head.status_code, head.content) == (200, b"")
        ui = url.removesuffix("/api")
        for path in ("/lab/logos/none.svg", "/lab/logos/..%2f__init__.py", "/lab/logos/"):
            assert client.get(ui + path).headers["content-type"] != "image/svg+xml"


def test_a_client_gives_the_logo_that_the_server_has(
    served: LocalApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A client does without when it takes long; that is no part of this.
    monkeypatch.setattr("lab_plugin.blocks._logos._SECONDS", 60)
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    url = served.wait()
    with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: tmp_path}):
        found = logo_url("scorer-lock")
        assert str(found) == f"{url.removesuffix('/api')}/lab/logos/scorer-lock.svg"
        assert BLOCKS[0]._to_block_type().logo_url is not None
    # A port on which nothing listens, or a server that has none, gives none.
    port = urlsplit(url).port
    with temporary_settings(
        {PREFECT_API_URL: f"http://127.0.0.1:{port}/nowhere/api", PREFECT_HOME: tmp_path}
    ):
        assert logo_url("scorer-lock") is None


def test_another_port_has_the_types_registered_again(tmp_path: Path) -> None:
    for name in ("memo-0.0.1-4200.toml", "memo-0.0.1-4201.toml", "prefect.db"):
        (tmp_path / name).touch()
    forget_old_memos(tmp_path, 4200)
    assert [path.name for path in tmp_path.iterdir()] == ["prefect.db"]
