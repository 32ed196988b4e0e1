"""The sandbox on a Docker engine."""

from lab_plugin.sandbox._docker._image import DEFAULT_IMAGE, build_image, image_digest, image_name
from lab_plugin.sandbox._docker._reap import orphan_containers
from lab_plugin.sandbox._docker._sandbox import DockerSandbox

__all__ = ["DEFAULT_IMAGE", "DockerSandbox", "build_image", "image_digest", "image_name", "orphan_containers"]
