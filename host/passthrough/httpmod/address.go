package httpmod

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// special are the IPv4 blocks that are not public: multicast, and those that IANA's
// registry of special-purpose addresses calls not globally reachable.
var special = prefixes(
	"0.0.0.0/8",       // this network; connecting to 0.0.0.0 reaches the worker itself
	"10.0.0.0/8",      // private
	"100.64.0.0/10",   // carrier-grade NAT, also used inside clouds
	"127.0.0.0/8",     // loopback
	"169.254.0.0/16",  // link-local: where clouds serve their metadata and credentials
	"172.16.0.0/12",   // private
	"192.0.0.0/24",    // protocol assignments
	"192.0.2.0/24",    // documentation
	"192.88.99.0/24",  // relays of 6to4
	"192.168.0.0/16",  // private
	"198.18.0.0/15",   // benchmarks
	"198.51.100.0/24", // documentation
	"203.0.113.0/24",  // documentation
	"224.0.0.0/4",     // multicast
	"240.0.0.0/4",     // reserved, and broadcast
)

// Only IPv6 global unicast is public, without its blocks that are set aside or that embed
// an IPv4 address, to which a gateway could lead. Every other address is loopback,
// link-local, unique local, multicast, NAT64, IPv4-compatible or unassigned.
var (
	global6  = netip.MustParsePrefix("2000::/3")
	special6 = prefixes(
		"2001::/23",     // protocol assignments, Teredo among them
		"2001:db8::/32", // documentation
		"2002::/16",     // 6to4
		"3fff::/20",     // documentation
	)
)

func prefixes(texts ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func contains(list []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// public reports whether an address belongs to the public internet. The address must be
// plain.
func public(addr netip.Addr) bool {
	if addr.Is4() {
		return !contains(special, addr)
	}
	return global6.Contains(addr) && !contains(special6, addr)
}

// plain returns an address in the form in which it is compared. The IPv4-mapped
// ::ffff:127.0.0.1 becomes 127.0.0.1. A zone is dropped, because it only names an
// interface.
func plain(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

// guard returns a dialer that connects only to public addresses and to the listed ones.
// It checks the address to which the socket is about to be connected, after every
// look-up. A name gains nothing by resolving to a harmless address earlier, or among
// others.
func guard(dialer net.Dialer, listed []netip.Prefix) *net.Dialer {
	inner, innerContext := dialer.Control, dialer.ControlContext
	dialer.Control = nil
	dialer.ControlContext = func(ctx context.Context, network, address string, conn syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &denial{why: "the address to connect to is not one of IP"}
		}
		if addr := plain(at.Addr()); !public(addr) && !contains(listed, addr) {
			return &denial{
				why: fmt.Sprintf("its host has the address %s, which is not a public one", addr),
				fix: fmt.Sprintf("private_addresses: [%q]", addr),
			}
		}
		if innerContext != nil {
			return innerContext(ctx, network, address, conn)
		}
		if inner != nil {
			return inner(network, address, conn)
		}
		return nil
	}
	if dialer.Timeout == 0 {
		// A connection may outlive the call that asked for it, because the pool gives it
		// to the next call. The call's deadline thus does not bound the dial.
		dialer.Timeout = 30 * time.Second
	}
	return &dialer
}
