"""Which addresses are of the internet, and which of this machine, its network or its cloud."""

import ipaddress

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# What Python's own lists, which differ from version to version, don't all know as special.
_SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocols' own, and a cloud's metadata
        "192.88.99.0/24",  # relays to IPv6
        "168.63.129.16/32",  # Azure answers here to its own machines only
    )
)
_SPECIAL_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # IPv4 in disguise
        "3fff::/20",  # documentation
    )
)


def is_public(address: str) -> bool:
    """Tells whether an address is one that anybody in the internet would reach.

    Private, shared, loopback, link-local, multicast and reserved ones are not, nor those of IPv6
    that stand for IPv4 ones which are not, in any of the ways in which they can.

    Args:
        address: As a resolver gives it, with or without a scope.

    Raises:
        ValueError: If it is no address.
    """
    if "%" in address:  # a scope belongs to addresses of one network only
        return False
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return _is_public_v4(found)
    if found in _NAT64:  # how a network without IPv4 reaches it
        return _is_public_v4(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    is_special = any(found in network for network in _SPECIAL_V6)
    return found in _GLOBAL_UNICAST and found.is_global and not is_special


def _is_public_v4(address: ipaddress.IPv4Address) -> bool:
    is_special = any(address in network for network in _SPECIAL_V4)
    return address.is_global and not (address.is_multicast or address.is_reserved or is_special)
