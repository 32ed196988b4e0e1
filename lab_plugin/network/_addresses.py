"""Which addresses the proxy may connect to."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

# From the IANA special-purpose registries. ipaddress.is_global is not used: its answers changed between
# the Python versions that the lab runs on.
_REFUSED_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public number, but the host's own control service on Azure
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# All else is no host of the internet: loopback, IPv4-mapped, NAT64, unique local, link-local, multicast.
_GLOBAL_6 = IPv6Network("2000::/3")
_REFUSED_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo and other tunnels, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",
    )
)


def is_public(address: Address) -> bool:
    """Whether an address belongs to another machine on the internet.

    It is False for every private, shared, loopback, link-local, multicast, documentation and reserved
    range, for IPv6 addresses that carry an IPv4 address, and for this machine's own addresses.
    """
    if isinstance(address, IPv4Address):
        public = not any(address in network for network in _REFUSED_4)
    else:
        public = address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)
    return public and not _is_own(address)


def _is_own(address: Address) -> bool:
    # For an address of its own the kernel chooses that very address as the source. Nothing is sent.
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        return False
