"""Limits on sessions by client, counted without a server."""

from __future__ import annotations

import pytest

from secftp.crypto import Mode, Password
from secftp.server.access import NO_RIGHTS, Access, Grant, NamedKey
from secftp.server.fairness import source_address
from secftp.server.options import ServerLimits
from secftp.server.session_limits import SlotClaim, SlotCounter, SlotLimit
from tests.support.serving import KEY, WRONG_KEY

PASSWORD = Password.anonymous()  # no client proves anything in here


def anonymous(host="192.0.2.1", *, contested=True):
    return SlotClaim(source_address(host), Grant(PASSWORD, Mode.ANONYMOUS, NO_RIGHTS, contested=contested))


def keyed(host="192.0.2.1", name="", *, contested=True):
    return SlotClaim(source_address(host), Grant(PASSWORD, Mode.KEYED, NO_RIGHTS, name, contested=contested))


def fill(places, make, most=1000):
    """Take as many places as there are for these; how many, and what kept the next one out."""
    for number in range(most):
        wanted = make(number)
        if (bound := places.limit_for(wanted, proved=True)) is not None:
            return number, bound
        places.add(wanted)
    return most, None


def host(number):
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def scattered(number):
    """An address in a /16 of its own."""
    return f"{number % 200 + 11}.{number // 200}.0.1"


def test_anonymous_clients_take_half_and_key_holders_have_the_rest():
    places = SlotCounter(ServerLimits(), 256)
    assert fill(places, lambda number: anonymous(host(number))) == (128, SlotLimit.ANONYMOUS)
    assert fill(places, lambda number: keyed(scattered(number), contested=False)) == (128, SlotLimit.ALL)


def test_where_there_is_no_key_anonymous_clients_have_all():
    assert fill(SlotCounter(ServerLimits(), 256), lambda number: anonymous(scattered(number), contested=False)) == (
        256,
        SlotLimit.ALL,
    )


@pytest.mark.parametrize(
    "network",
    ["10.1.2.{}", "10.1.{}.1", "2001:db8:{:x}::"],
    ids=["an IPv4 /24", "an IPv4 /16", "an IPv6 /32"],
)
def test_a_network_leaves_one_place_in_eight_to_others(network):
    places = SlotCounter(ServerLimits(), 256)
    assert fill(places, lambda number: keyed(network.format(number), contested=False)) == (224, SlotLimit.SOURCE)
    assert fill(places, lambda number: keyed(f"192.0.2.{number}", contested=False)) == (28, SlotLimit.SOURCE)


def test_one_key_among_several_takes_half_and_others_always_find_a_place():
    places = SlotCounter(ServerLimits(), 256)
    taken = [fill(places, lambda number, name=name: keyed(f"{ord(name)}.{number}.0.1", name))[0] for name in "abcdefgh"]
    assert taken == [128, 64, 32, 16, 8, 4, 2, 1]


def test_a_single_key_has_all_places_and_one_address_half_of_them():
    assert fill(SlotCounter(ServerLimits(), 256), lambda number: keyed(scattered(number), contested=False)) == (
        256,
        SlotLimit.ALL,
    )
    places = SlotCounter(ServerLimits(), 256)
    assert fill(places, lambda _: keyed(contested=False)) == (128, SlotLimit.SOURCE)
    assert fill(places, lambda _: keyed("192.0.2.2", contested=False)) == (64, SlotLimit.SOURCE)


def test_an_ipv6_site_has_half_of_the_places_however_many_networks_it_has():
    places = SlotCounter(ServerLimits(), 256)
    assert fill(places, lambda number: keyed(f"2001:db8:1:{number:x}::", contested=False)) == (128, SlotLimit.SOURCE)
    assert places.limit_for(keyed("2001:db8:2::", contested=False), proved=True) is None


def test_who_comes_from_the_address_of_a_flood_under_another_key_is_no_part_of_it():
    places = SlotCounter(ServerLimits(), 256)
    assert fill(places, lambda _: anonymous()) == (128, SlotLimit.SOURCE)
    assert fill(places, lambda _: keyed(name="a")) == (64, SlotLimit.SOURCE)
    assert fill(places, lambda _: keyed(name="b")) == (32, SlotLimit.SOURCE)


@pytest.mark.parametrize("most", [1, 2, 32])
def test_a_small_server_is_all_for_one_address(most):
    assert fill(SlotCounter(ServerLimits(), most), lambda _: keyed(contested=False)) == (most, SlotLimit.ALL)


def test_numbers_of_the_operator_s_count_instead():
    limits = ServerLimits(max_clients_per_source=200, max_clients_per_key=150, max_anonymous=3)
    assert fill(SlotCounter(limits, 256), lambda _: keyed(contested=False)) == (150, SlotLimit.KEY)
    assert fill(SlotCounter(limits, 256), lambda number: keyed(name=str(number % 9))) == (200, SlotLimit.SOURCE)
    assert fill(SlotCounter(limits, 256), lambda _: anonymous(contested=False)) == (3, SlotLimit.ANONYMOUS)


def test_before_the_proof_nothing_tells_which_keys_there_are():
    places = SlotCounter(ServerLimits(max_clients_per_key=1), 256)
    places.add(keyed("192.0.2.1", "me"))
    assert places.limit_for(keyed("192.0.2.2", "me"), proved=False) is None
    assert places.limit_for(keyed("192.0.2.2", "me"), proved=True) is SlotLimit.KEY
    assert fill(places, lambda _: keyed(name="other")) == (1, SlotLimit.KEY)
    places = SlotCounter(ServerLimits(max_clients_per_key=256), 256)
    assert fill(places, lambda _: keyed(name="me")) == (128, SlotLimit.SOURCE)
    assert places.limit_for(keyed(name="me"), proved=False) is None


def test_places_that_were_left_are_free_again_and_leave_nothing():
    places = SlotCounter(ServerLimits(), 64)
    wanted = [keyed(host(1), "a"), anonymous(host(2)), keyed("2001:db8::1", "b")] * 5
    for place in wanted:
        places.add(place)
    for place in wanted:
        places.remove(place)
    assert not places._counts
    assert fill(places, lambda number: anonymous(host(number))) == (32, SlotLimit.ANONYMOUS)


@pytest.mark.parametrize(
    ("key", "named", "anonymous", "contested"),
    [
        (KEY, (), False, {"": False}),
        (KEY, (), True, {"": False, None: True}),
        (None, ("a",), False, {"a": False}),
        (KEY, ("a",), False, {"": True, "a": True}),
        (None, ("a", "b"), True, {"a": True, "b": True, None: True}),
        (None, (), True, {None: False}),
    ],
)
def test_who_has_others_beside_it(key, named, anonymous, contested):
    keys = {name: NamedKey(WRONG_KEY.password(), NO_RIGHTS) for name in named}
    access = Access(key, named=keys, anonymous=anonymous)
    from tests.server.test_access import hello

    for name, expected in contested.items():
        asked = hello(mode=Mode.ANONYMOUS) if name is None else hello(name)
        assert access.decide(asked).contested is expected
