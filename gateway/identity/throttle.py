"""How many sign-ins may fail: token buckets, one for an address and one for each user name tried from it.

An attempt is looked at before anything is computed for it; where it fails, both lose one. The table is bounded; the bucket
unused for longest goes, and it is full again or nearly so.
"""

from collections import OrderedDict
from ipaddress import ip_address, ip_network

BUCKETS_MAX = 16_384
_BURST_SECONDS = 10.0  # a full bucket holds what refills in so long
_USER_SHARE = 5  # one user name has a fifth of its address
_NAME_CHARACTERS_MAX = 128  # of a user name that is told from others
_V6_PREFIX = 64  # what one customer of a network has

_Key = tuple[str, str]


def host_of(address: str) -> str:
    """Whom a peer's address (host:port) counts for: the host, of IPv6 its network; other texts stand for themselves."""
    host = address.rpartition(":")[0].strip("[]") or address
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, _V6_PREFIX), strict=False))


class Throttle:
    """The failures of one worker. Times are seconds of any steady clock."""

    def __init__(self, failures_per_minute: int) -> None:
        self._rate = failures_per_minute / 60.0
        self._buckets: OrderedDict[_Key, tuple[float, float]] = OrderedDict()  # what is in it, and when

    def __len__(self) -> int:
        return len(self._buckets)

    def wait(self, address: str, user: str, now: float) -> float:
        """0 where an attempt may be made, else the seconds until one may."""
        found = [(self._level(key, rate, now), rate) for key, rate in self._both(address, user)]
        return max(max(0.0, 1.0 - level) / rate for level, rate in found)

    def failed(self, address: str, user: str, now: float) -> None:
        """An attempt has failed."""
        for key, rate in self._both(address, user):
            self._buckets[key] = max(0.0, self._level(key, rate, now) - 1.0), now
            self._buckets.move_to_end(key)
        while len(self._buckets) > BUCKETS_MAX:
            self._buckets.popitem(last=False)

    def _both(self, address: str, user: str) -> tuple[tuple[_Key, float], tuple[_Key, float]]:
        """The two buckets and how fast each refills."""
        host = host_of(address)
        return ((host, ""), self._rate), ((host, "=" + user[:_NAME_CHARACTERS_MAX]), self._rate / _USER_SHARE)

    def _level(self, key: _Key, rate: float, now: float) -> float:
        held, since = self._buckets.get(key, (_full(rate), now))
        return min(_full(rate), held + max(0.0, now - since) * rate)


def _full(rate: float) -> float:
    return max(1.0, rate * _BURST_SECONDS)
