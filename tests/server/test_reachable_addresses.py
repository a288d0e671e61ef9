"""Addresses that the server prints: those that a remote client can use, and loopback only if there is no other."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace

import psutil
import pytest

from secftp.errors import UsageError
from secftp.server.run import reachable_addresses
from secftp.transport import listen

LOOPBACK = ["127.0.0.1", "::1"]


@pytest.fixture
def interfaces(monkeypatch):
    """Give this machine other interfaces: a dict of names to addresses."""

    def give(**addresses):
        entries = {name: [SimpleNamespace(address=address) for address in found] for name, found in addresses.items()}
        monkeypatch.setattr(psutil, "net_if_addrs", lambda: entries)

    return give


def test_a_wildcard_is_every_address_of_its_family_but_loopback_and_link_local(interfaces):
    interfaces(
        lo=[*LOOPBACK, "00:00:00:00:00:00"],
        eth0=["172.19.1.45", "2001:db8::7", "fe80::1%eth0", "02:42:ac:13:01:2d"],
        eth1=["192.0.2.9", "169.254.7.7"],
    )
    assert reachable_addresses(["0.0.0.0"]) == ["172.19.1.45", "192.0.2.9"]
    assert reachable_addresses(["::"]) == ["2001:db8::7"]
    assert reachable_addresses(["0.0.0.0", "::"]) == ["172.19.1.45", "192.0.2.9", "2001:db8::7"]


@pytest.mark.parametrize(
    ("bound", "told"), [(["0.0.0.0"], ["127.0.0.1"]), (["::"], ["::1"]), (["0.0.0.0", "::"], ["127.0.0.1"])]
)
def test_loopback_stands_where_there_is_no_other(interfaces, bound, told):
    interfaces(lo=LOOPBACK)
    assert reachable_addresses(bound) == told


def test_an_address_that_is_bound_is_told_as_it_is(interfaces):
    interfaces(lo=LOOPBACK)
    assert reachable_addresses(["127.0.0.1"]) == ["127.0.0.1"]
    assert reachable_addresses(["::1", "192.0.2.9"]) == ["::1", "192.0.2.9"]
    assert reachable_addresses(["fe80::1%eth0"]) == ["fe80::1%eth0"]


def test_an_address_is_told_once(interfaces):
    interfaces(eth0=["192.0.2.9"], bridge=["192.0.2.9"])
    assert reachable_addresses(["0.0.0.0", "192.0.2.9"]) == ["192.0.2.9"]


def test_this_machine_has_addresses_that_can_be_bound():
    told = reachable_addresses(["0.0.0.0", "::"])
    assert told
    for address in told:
        assert not ipaddress.ip_address(address).is_unspecified
        listen([address], 0).close()


def test_where_the_interfaces_can_not_be_listed_it_tells_what_it_is_bound_to(monkeypatch):
    def forbidden():
        raise PermissionError

    monkeypatch.setattr("psutil.net_if_addrs", forbidden)
    assert reachable_addresses(["0.0.0.0", "::"]) == ["0.0.0.0", "::"]


def test_a_listener_has_one_port_on_all_its_addresses():
    listener = listen(["127.0.0.1", "::1"], 0)
    try:
        assert listener.port > 0
        assert listener.bound == ["127.0.0.1", "::1"]
    finally:
        listener.close()


def test_without_hosts_it_listens_on_both_families():
    listener = listen([], 0)
    try:
        assert listener.bound == ["0.0.0.0", "::"]
    finally:
        listener.close()


@pytest.mark.parametrize("host", ["", "no such name", "-", "\0", "a" * 300, "\udcff"])
def test_a_host_that_can_not_be_one_is_a_mistake_in_usage(host):
    with pytest.raises(UsageError) as failure:
        listen([host], 0)
    assert str(failure.value).isprintable()
    assert failure.value.hint


def test_a_port_that_is_taken_closes_what_was_open_already():
    """The second address fails; the first must not stay bound (the leak check of every test sees it)."""
    first = listen(["::1"], 0)
    try:
        with pytest.raises(OSError, match="in use"):
            listen(["127.0.0.1", "::1"], first.port)
        listen(["127.0.0.1"], first.port).close()
    finally:
        first.close()
