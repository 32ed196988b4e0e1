import string
import subprocess
import sys
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab_plugin.errors import ConfigError
from lab_plugin.network import Policy, is_public

LABEL = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=8).map(lambda text: f"a{text}")
NAME = st.lists(LABEL, min_size=2, max_size=4).map(".".join)


def allows(policy: Policy, host: str, port: int = 443) -> bool:
    return policy.decide(host, port).allowed


def test_exact_names_mean_themselves_on_443_only() -> None:
    policy = Policy.parse(["pypi.org"])
    assert allows(policy, "pypi.org")
    assert not allows(policy, "files.pypi.org")
    assert not allows(policy, "evilpypi.org")
    assert not allows(policy, "pypi.org.evil.com")
    assert not allows(policy, "pypi.org", 80)
    assert not allows(policy, "pypi.org", 8443)


def test_a_written_port_is_the_only_one() -> None:
    policy = Policy.parse(["api.x.com:8443", "plain.x.com:80"])
    assert allows(policy, "api.x.com", 8443)
    assert not allows(policy, "api.x.com")
    assert allows(policy, "plain.x.com", 80)
    assert "port 443" in policy.decide("plain.x.com", 443).reason


def test_a_star_means_subdomains_and_not_the_domain() -> None:
    policy = Policy.parse(["*.example.com"])
    assert allows(policy, "a.example.com")
    assert allows(policy, "a.b.example.com")
    assert not allows(policy, "example.com")
    assert not allows(policy, "aexample.com")


@pytest.mark.parametrize("order", [1, -1])
def test_forbidding_beats_allowing_in_any_order(order: int) -> None:
    policy = Policy.parse(
        ["*.example.com", "!evil.example.com", "evil.example.com", "evil.example.com:8443"][::order]
    )
    assert allows(policy, "good.example.com")
    assert not allows(policy, "evil.example.com")
    assert not allows(policy, "evil.example.com", 8443)
    assert "!evil.example.com" in policy.decide("evil.example.com", 443).reason


def test_a_rule_that_forbids_one_port_leaves_the_others() -> None:
    policy = Policy.parse(["a.example.com", "a.example.com:8443", "!a.example.com:8443"])
    assert allows(policy, "a.example.com")
    assert not allows(policy, "a.example.com", 8443)


def test_forbidden_subdomains_stay_forbidden_below_an_exact_allowance() -> None:
    policy = Policy.parse(["a.b.example.com", "!*.example.com"])
    assert not allows(policy, "a.b.example.com")


@pytest.mark.parametrize("host", ["PyPI.org", "pypi.org.", "PYPI.ORG."])
def test_case_and_a_final_dot_do_not_matter(host: str) -> None:
    assert allows(Policy.parse([host]), "pypi.org")
    assert allows(Policy.parse(["pypi.org"]), host)


@pytest.mark.parametrize(
    "host", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bücher。example"]
)
def test_international_names_have_one_spelling(host: str) -> None:
    assert allows(Policy.parse([host]), "xn--bcher-kva.example")
    assert not allows(Policy.parse([f"!{host}", "*.example.com"]), "XN--BCHER-KVA.example")


ADDRESSES = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "[::1]",
    "::1",
    "[::ffff:127.0.0.1]",
    "1.1.1.1",
    "example.0x1",
    "example.1",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_are_no_targets_in_any_notation(text: str) -> None:
    decision = Policy.parse(["*.example.com", "example.com"]).decide(text, 443)
    assert not decision.allowed
    assert "IP address" in decision.reason


@pytest.mark.parametrize("text", ADDRESSES)
def test_addresses_cannot_be_written_as_rules(text: str) -> None:
    with pytest.raises(ConfigError, match="IP address"):
        Policy.parse([text])


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ("", "names no host"),
        ("!", "names no host"),
        ("*", '"*"'),
        ("!*", '"*"'),
        ("*.", "names no host"),
        ("a.*.com", '"*"'),
        ("*.*.com", '"*"'),
        ("*.com", "top-level domain"),
        ("localhost", "no dot"),
        ("https://pypi.org", "slash"),
        ("pypi.org/simple", "slash"),
        ("pypi.org:", "port"),
        ("pypi.org:0", "port"),
        ("pypi.org:65536", "port"),
        ("pypi.org:4４3", "port"),
        ("pypi.org:https", "port"),
        ("pypi .org", "not a host name"),
        ("pypi..org", "not a host name"),
        (".pypi.org", "not a host name"),
        ("-a.org", "not a host name"),
        ("a" * 64 + ".org", "not a host name"),
        ("a." * 130 + "org", "not a host name"),
        ("a" * 5000 + ".org", "too long"),
        ("pypi.org\n", "not a host name"),
        ("pypi.org\0.evil.com", "not a host name"),
        ("user@pypi.org", "not a host name"),
        ("пример\u0000.org", "IDNA"),
        ("‮gro.ipyp.com", "IDNA"),
        (443, "not a text"),
        (None, "not a text"),
    ],
)
def test_bad_rules_are_told(rule: object, fault: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.parse([rule])
    assert fault in caught.value.faults[0]
    assert caught.value.remedy
    assert len(str(caught.value)) < 1000
    assert "\0" not in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        Policy.parse(["pypi.org", "*", "10.0.0.1", "a/b"], where="[proposer] network")
    assert len(caught.value.faults) == 3
    assert caught.value.faults[0].startswith("[proposer] network, rule 2")


def test_a_whole_top_level_domain_can_be_forbidden() -> None:
    policy = Policy.parse(["*.example.com", "a.test.zip", "!*.zip"])
    assert not allows(policy, "a.test.zip")


def test_nothing_is_allowed_by_no_rules() -> None:
    assert Policy.parse([]).is_empty
    assert Policy.parse(["!a.com"]).is_empty
    assert not Policy.parse(["a.com"]).is_empty
    assert not allows(Policy(), "pypi.org")


@given(
    rules=st.lists(st.text(max_size=30), max_size=4), host=st.text(max_size=40), port=st.integers(0, 70000)
)
def test_any_text_is_a_rule_or_a_fault(rules: list[str], host: str, port: int) -> None:
    try:
        policy = Policy.parse(rules)
    except ConfigError as error:
        assert 1 <= len(error.faults) <= len(rules)
    else:
        assert all(rule.host.isascii() for rule in policy.rules)
        policy.decide(host, port)


@given(name=NAME, prefix=NAME, forbidden=NAME)
def test_what_is_forbidden_is_never_reached(name: str, prefix: str, forbidden: str) -> None:
    target = f"{prefix}.{forbidden}"
    policy = Policy.parse([f"*.{name}", name, target, f"*.{forbidden}", f"!*.{forbidden}"])
    assert not allows(policy, target)
    assert not allows(policy, target.upper() + ".")


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
    ],
)
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "151.101.0.223", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a04:4e42::223"]
)
def test_other_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def test_this_machines_own_addresses_are_not_public() -> None:
    # In a network of its own, so that the machine can have a public address that is nobody else's.
    code = (
        "import ctypes, os, socket, struct, sys\n"
        "from ipaddress import ip_address\n"
        "from lab_plugin.network import is_public\n"
        "uid = os.getuid()\n"
        "if ctypes.CDLL(None, use_errno=True).unshare(0x40000000 | 0x10000000): sys.exit(77)\n"
        "open('/proc/self/setgroups', 'w').write('deny')\n"
        "open('/proc/self/uid_map', 'w').write(f'0 {uid} 1')\n"
        "import fcntl\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "address = struct.pack('16sHH4s8x', b'lo', socket.AF_INET, 0, socket.inet_aton('151.101.0.223'))\n"
        "fcntl.ioctl(s, 0x8916, address)\n"
        "fcntl.ioctl(s, 0x8914, struct.pack('16sH14x', b'lo', 1))\n"
        "print(is_public(ip_address('151.101.0.223')), is_public(ip_address('151.101.0.224')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode == 77:
        pytest.skip("namespaces are not allowed here")
    assert (done.stderr, done.stdout.split()) == ("", ["False", "True"])
