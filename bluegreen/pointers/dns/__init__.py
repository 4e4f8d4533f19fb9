"""A record on a DNS server of one's own, changed by RFC 2136."""
