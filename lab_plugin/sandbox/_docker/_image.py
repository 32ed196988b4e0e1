"""The image that programs run in: found, pinned, judged; built only when asked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lab_plugin.errors import SandboxError, SandboxUnavailable
from lab_plugin.sandbox._docker._engine import Engine, Gone, calls

DEFAULT_IMAGE = "prefect-lab-candidate"
SHIPPED = Path(__file__).parents[1] / "images" / "Dockerfile"
_LARGEST_CONTEXT = 64 << 20
_SAID = 40
_BUILD_SECONDS = 3600


class Image(NamedTuple):
    """An image, pinned.

    Attributes:
        name: What it was asked for by.
        identity: The digest that the engine runs it by; a name that moves later does not matter.
        environment: Its own variables.
    """

    name: str
    identity: str
    environment: dict[str, str]


def find_image(engine: Engine, image: str | None, dockerfile: Path | None) -> Image:
    """Find the image of a lab in the engine; nothing is pulled, and nothing built.

    Args:
        engine: Where.
        image: Name, `name@sha256:...` or id; None for the one of `dockerfile`, or else `DEFAULT_IMAGE`.
        dockerfile: The lab's own Dockerfile; its folder is the context.

    Raises:
        SandboxUnavailable: The engine does not have it; the remedy is the command that builds it.
        SandboxError: It can hold no program safely, or both are given.
    """
    if image and dockerfile:
        raise SandboxError("docker: an image and a Dockerfile are given", "Give one of them.")
    name = image or (image_name(dockerfile) if dockerfile else DEFAULT_IMAGE)
    found = _inspect(engine, name)
    if found is None:
        raise SandboxUnavailable(f"docker: the engine has no image {name}", _remedy(name, image, dockerfile))
    config = found.get("Config") or {}
    if volumes := sorted(config.get("Volumes") or {}):
        raise SandboxError(
            f"docker: image {name} declares the volume {volumes[0]}, which no limit would hold",
            "Build an image without VOLUME.",
        )
    return Image(
        name, found["Id"], dict(entry.split("=", 1) for entry in config.get("Env") or [] if "=" in entry)
    )


def image_name(dockerfile: Path) -> str:
    """What the image of a Dockerfile is called: a digest of it and of its context, so that none is stale.

    The context is the Dockerfile's folder without what `.dockerignore` there names.

    Raises:
        SandboxError: It cannot be read, or the context is larger than 64 MiB.
    """
    dockerfile = Path(os.path.abspath(dockerfile))
    digest = hashlib.sha256()
    size = 0
    try:
        for path in _context(dockerfile):
            status = path.lstat()
            size += status.st_size
            if size > _LARGEST_CONTEXT:
                raise SandboxError(
                    f"docker: the context of {dockerfile} is larger than {_LARGEST_CONTEXT:,} bytes",
                    "Give the Dockerfile a folder of its own, or name what it needs not in .dockerignore.",
                )
            data = os.fsencode(os.readlink(path)) if path.is_symlink() else path.read_bytes()
            relative = os.fsencode(path.relative_to(dockerfile.parent))
            for part in (relative, b"%o" % (status.st_mode & 0o170111), data):
                digest.update(b"%d:" % len(part) + part)
    except OSError as error:
        raise SandboxError(f"docker: {error.filename} cannot be read: {error.strerror}") from None
    return f"{DEFAULT_IMAGE}:{digest.hexdigest()[:16]}"


def build_image(dockerfile: Path) -> Image:
    """Build the image of a lab's own Dockerfile, where the engine does not have it.

    By the engine's own builder; it may use the network, and takes minutes.

    Args:
        dockerfile: What to build; its folder is the context.

    Returns:
        The image, whether it was there or was built.

    Raises:
        SandboxUnavailable: There is no engine.
        SandboxError: The build failed, and the message ends with what it said; or no program can be held.
    """
    dockerfile = Path(os.path.abspath(dockerfile))
    name = image_name(dockerfile)
    engine = Engine()
    try:
        if _inspect(engine, name) is None:
            _build(engine, dockerfile, name)
        return find_image(engine, None, dockerfile)
    finally:
        engine.close()


def image_digest(image: str | None, dockerfile: Path | None) -> str:
    """The digest of the image that `DockerSandbox` would run programs in, by the same arguments.

    Raises:
        SandboxUnavailable: No engine, no permission, no image.
        SandboxError: It can hold no program safely.
    """
    engine = Engine()
    try:
        return find_image(engine, image, dockerfile).identity
    finally:
        engine.close()


def _build(engine: Engine, dockerfile: Path, name: str) -> None:
    said: list[str] = []
    with calls("build an image"):
        for line in engine.client.build(
            path=str(dockerfile.parent),
            dockerfile=dockerfile.name,
            tag=name,
            decode=True,
            rm=True,
            forcerm=True,
            timeout=_BUILD_SECONDS,
        ):
            said += str(line.get("stream") or line.get("error") or "").splitlines()
            if "error" in line:
                told = "\n".join(entry for entry in said[-_SAID:] if entry.strip())
                raise SandboxError(
                    f"docker: {dockerfile} cannot be built:\n{told}",
                    f"Try it by hand: {_remedy(name, None, dockerfile).removeprefix('Build it: ')}",
                )


def _inspect(engine: Engine, name: str) -> dict[str, Any] | None:
    import docker.errors

    try:
        with calls("look at an image"):
            found: dict[str, Any] = engine.client.inspect_image(name)  # type: ignore[no-untyped-call]
            return found
    except Gone:
        return None
    except SandboxUnavailable as error:
        if isinstance(error.__cause__, docker.errors.NotFound):
            return None
        raise


def _remedy(name: str, image: str | None, dockerfile: Path | None) -> str:
    if image and image.startswith("sha256:"):
        return "Load it again (docker load), or build and lock another: an image is known by its content."
    if image:
        return f"Build it, or fetch it: docker build -t {name} FOLDER, or docker pull {name}"
    file = dockerfile or SHIPPED
    return f"Build it: docker build -t {name} -f {file} {file.parent}"


def _context(dockerfile: Path) -> Iterator[Path]:
    from docker.utils.build import exclude_paths

    folder = dockerfile.parent
    ignore = folder / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    for name in sorted(exclude_paths(str(folder), patterns, dockerfile.name)):
        path = folder / name
        if path.is_symlink() or path.is_file():
            yield path
