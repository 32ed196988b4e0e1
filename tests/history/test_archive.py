"""An archive proves itself far from its repository, and every change of it is told."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lab_plugin.errors import ExportError
from lab_plugin.exporting import ArchiveProof, verify_archive, write_archive
from lab_plugin.importing import Wish, import_history
from lab_plugin.lab import Lab
from lab_plugin.repository import RefChange
from tests.program import LAB

Parts = dict[str, bytes]


@pytest.fixture(scope="session")
def archive(made: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Of a lab with an import."""
    folder = tmp_path_factory.mktemp("archive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_LAB_HOME", str(folder / "home"))
        lab = Lab.open(Path(shutil.copytree(made, folder / "repo", symlinks=True)))
        (folder / "r.tsv").write_text("value\ttitle\n1\tone\n")
        import_history(lab, Wish(where=str(folder / "r.tsv")))
        first, second = io.BytesIO(), io.BytesIO()
        write_archive(lab, first)
        # The same ledger in other packs is the same archive.
        subprocess.run(["git", "gc", "--quiet", "--aggressive"], cwd=lab.repository.top, check=True)
        (folder / "repo/lab.toml").write_text("[lab]\n")
        write_archive(lab, second)
        lab.close()
    assert first.getvalue() == second.getvalue()
    return first.getvalue()


def _parts(data: bytes) -> Parts:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as tar:
        return {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]


def _packed(parts: Parts, edit: Callable[[tarfile.TarInfo], None] = lambda info: None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            edit(info)
            tar.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return stream.getvalue()


def _resealed(parts: Parts) -> bytes:
    """As somebody packs it who knows how: with a manifest that fits."""
    manifest = json.loads(parts["lab/manifest.json"])
    for name in manifest["files"]:
        content = parts[f"lab/{name}"]
        manifest["files"][name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return _packed({**parts, "lab/manifest.json": json.dumps(manifest).encode()})


@pytest.fixture
def verify(tmp_path: Path) -> Callable[[bytes], ArchiveProof]:
    def call(data: bytes) -> ArchiveProof:
        (tmp_path / "lab.tar.gz").write_bytes(data)
        return verify_archive(tmp_path / "lab.tar.gz")

    return call


def _problems(proof: ArchiveProof) -> str:
    found = proof.ledger.problems if proof.ledger else ()
    return "\n".join((*proof.problems, *map(str, found)))


def test_it_is_proved_in_an_empty_folder(archive: bytes, tmp_path: Path, home: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/lab.tar.gz").write_bytes(archive)
    command = [LAB, "verify", "lab.tar.gz"]
    done = subprocess.run(command, cwd=tmp_path / "far", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "every link, record, branch and file agrees" in done.stdout
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["lab.tar.gz"]
    # git itself takes its bundle.
    (tmp_path / "far/ledger.bundle").write_bytes(_parts(archive)["lab/ledger.bundle"])
    fetch = ["git", "fetch", "-q", "../far/ledger.bundle", "refs/lab/*:refs/lab/*"]
    subprocess.run(["git", "init", "-q", "../clone"], cwd=tmp_path / "far", check=True)
    subprocess.run(fetch, cwd=tmp_path / "clone", check=True)


@pytest.mark.parametrize(
    ("part", "old", "new", "said"),
    [
        ("results.json", b'"verdict"', b'"verdikt"', "its results.json does not follow"),
        ("results.tsv", b"\tkeep\t", b"\tkept\t", "its results.tsv does not follow"),
        ("results.csv", b",discard,", b",discord,", "its results.csv does not follow"),
        (
            "records.jsonl",
            b'"verdict":"reverted"',
            b'"verdict":"rejected"',
            "its records.jsonl does not follow",
        ),
        ("lab.lock", b"minimize", b"maximize", "its lab.lock does not follow"),
        ("lab.toml", b"iterations", b"iterationz", "its lab.toml does not follow"),
    ],
)
def test_a_file_that_does_not_follow_from_the_ledger_is_told(
    archive: bytes, verify: Callable[[bytes], ArchiveProof], part: str, old: bytes, new: bytes, said: str
) -> None:
    parts = _parts(archive)
    assert old in parts[f"lab/{part}"]
    parts[f"lab/{part}"] = parts[f"lab/{part}"].replace(old, new, 1)
    with pytest.raises(ExportError, match="another (digest|size)"):
        verify(_packed(parts))
    proof = verify(_resealed(parts))
    assert not proof.ok
    assert said in _problems(proof)


def test_a_manifest_that_lies_is_told(archive: bytes, verify: Callable[[bytes], ArchiveProof]) -> None:
    parts = _parts(archive)
    manifest = json.loads(parts["lab/manifest.json"])
    best = "refs/heads/lab/rosenbrock/best"
    for change, said in (
        ({"records": manifest["records"] + 1}, "counts"),
        ({"ledger": "0" * 40}, "another commit"),
        ({"refs": {**manifest["refs"], best: "0" * 40}}, "other refs"),
        ({"lab": "another"}, "not of the lab another"),
    ):
        proof = verify(_packed({**parts, "lab/manifest.json": json.dumps({**manifest, **change}).encode()}))
        assert not proof.ok
        assert said in _problems(proof) or "no lock" in _problems(proof)
    for change in ({"format": 2}, {"extra": 1}, {"lab": "../x"}, {"files": {}}, {"refs": [1]}):
        with pytest.raises(ExportError):
            verify(_packed({**parts, "lab/manifest.json": json.dumps({**manifest, **change}).encode()}))


def test_a_forged_verdict_is_told_though_everything_else_was_made_to_fit(
    made: Path, home: Path, tmp_path: Path, verify: Callable[[bytes], ArchiveProof]
) -> None:
    lab = Lab.open(Path(shutil.copytree(made, tmp_path / "forged", symlinks=True)))
    # The last idea never beat the champion.
    entries = [entry for entry in lab.ledger.records() if entry.record.kind == "verdict"]
    last = entries[-1].record
    before = next(entry.commit for at, entry in enumerate(lab.ledger.records(), 1) if at == last.sequence - 1)
    forged = last.model_copy(update={"verdict": "kept" if last.verdict != "kept" else "reverted"})
    lab.repository.update_refs([RefChange(lab.ledger.ref, before, lab.ledger.head() or "")])
    tree = forged.details or None
    lab.ledger.state()
    lab.ledger.append(forged, candidate=forged.commit, tree=tree)
    stream = io.BytesIO()
    write_archive(lab, stream)
    lab.close()
    proof = verify(stream.getvalue())
    assert not proof.ok
    assert f"idea {last.number} is not what the rule" in _problems(proof)


def test_a_bundle_that_is_changed_or_cut_is_told(
    archive: bytes, verify: Callable[[bytes], ArchiveProof]
) -> None:
    parts = _parts(archive)
    bundle = parts["lab/ledger.bundle"]
    head, pack = bundle.split(b"\n\n", 1)
    flipped = bytearray(bundle)
    flipped[-400] ^= 1
    for changed in (
        bytes(flipped),
        bundle[:-30],
        head + b"\n" + b"0" * 40 + b" refs/heads/main\n\n" + pack,
        head + b"\n-" + b"0" * 40 + b" gone\n\n" + pack,
        head + b"\n" + b"1" * 40 + b" refs/lab/rosenbrock/more\n\n" + pack,
        b"",
    ):
        proof = verify(_resealed({**parts, "lab/ledger.bundle": changed}))
        assert not proof.ok
        assert "its ledger cannot be proved" in _problems(proof)


def test_an_object_that_is_larger_than_can_be_read_is_refused(
    archive: bytes, verify: Callable[[bytes], ArchiveProof], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab_plugin.repository._bundle._OBJECT", 4 << 10)
    assert "more than is read" in _problems(verify(archive))


def _as(kind: bytes, target: str) -> Callable[[tarfile.TarInfo], None]:
    def edit(info: tarfile.TarInfo) -> None:
        if info.name == "lab/lab.toml":
            info.type, info.linkname, info.size = kind, target, 0

    return edit


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_nothing_but_plain_files_is_taken(
    archive: bytes, verify: Callable[[bytes], ArchiveProof], kind: bytes
) -> None:
    with pytest.raises(ExportError, match="no plain file"):
        verify(_packed(_parts(archive), _as(kind, "/etc/passwd")))


def test_odd_members_are_refused(archive: bytes, verify: Callable[[bytes], ArchiveProof]) -> None:
    parts = _parts(archive)
    names = ("../evil", "/etc/evil", "lab/../evil", "lab/.git", "lab/more", "lab/sub/lab.toml", "evil")
    odd = [_packed({name: b"x", **parts}) for name in names] + [
        _packed({**parts, name: b"x"}) for name in names
    ]
    plain = gzip.decompress(archive)
    first = 512 + (len(parts["lab/manifest.json"]) + 511) // 512 * 512
    odd += [
        gzip.compress(plain[:first] + plain),
        gzip.compress(plain + b"evil"),
        gzip.compress(plain + bytes(1 << 20)),
        gzip.compress(plain[: first + 700]),
        archive[: len(archive) // 2],
        archive[:-20],
        _packed(dict(reversed(parts.items()))),
        _packed({name: content for name, content in parts.items() if name != "lab/results.csv"}),
        b"",
        b"no archive",
        gzip.compress(b""),
    ]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("lab/manifest.json")
        info.pax_headers = {"path": "lab/" + "a" * 5000}
        tar.addfile(info)
    for data in [*odd, stream.getvalue()]:
        with pytest.raises(ExportError, match="no archive of a lab"):
            verify(data)


def test_a_part_that_unpacks_to_more_than_it_could_be_is_refused(
    archive: bytes, verify: Callable[[bytes], ArchiveProof]
) -> None:
    parts = _parts(archive)
    manifest = json.loads(parts["lab/manifest.json"])
    for name, size in (("ledger.bundle", 32 << 20), ("lab.lock", (512 << 20) + 1)):
        files = {**manifest["files"], name: {"size": size, "sha256": "0" * 64}}
        text = json.dumps({**manifest, "files": files}).encode()
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz", format=tarfile.USTAR_FORMAT) as tar:
            for part, content in {**parts, "lab/manifest.json": text}.items():
                info = tarfile.TarInfo(part)
                info.size = len(content)
                if part == f"lab/{name}":
                    # Its content would follow, in gigabytes of zeros.
                    info.size = size
                    tar.fileobj.write(info.tobuf(tarfile.USTAR_FORMAT))  # type: ignore[union-attr]
                    break
                tar.addfile(info, io.BytesIO(content))
        with pytest.raises(ExportError, match="bytes, more than"):
            verify(stream.getvalue())
