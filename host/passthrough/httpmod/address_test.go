package httpmod

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// Only public and listed addresses are connected to, whatever name led to them.
func TestGuard(t *testing.T) {
	publicOnes := []string{
		"8.8.8.8:53", "1.1.1.1:443", "100.63.255.255:80", "100.128.0.1:80", "172.15.0.1:80", "172.32.0.1:80", "192.0.1.1:80", "223.255.255.255:80",
		"[2606:4700::1111]:443", "[2a00:1450::1]:80", "[2001:4860:4860::8888]:443", "[::ffff:8.8.8.8]:80",
	}
	others := []string{
		"0.0.0.0:80", "0.1.2.3:80", "10.0.0.1:80", "10.255.255.255:80", "100.64.0.1:80", "100.127.255.255:80", "127.0.0.1:80", "127.255.0.1:80",
		"169.254.169.254:80", "172.16.0.1:80", "172.31.255.255:80", "192.0.0.1:80", "192.0.2.1:80", "192.88.99.1:80", "192.168.1.1:80", "198.18.0.1:80",
		"198.51.100.1:80", "203.0.113.1:80", "224.0.0.1:80", "239.1.1.1:80", "240.0.0.1:80", "255.255.255.255:80",
		"[::]:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "[::ffff:10.0.0.1]:80", "[::ffff:169.254.169.254]:80", "[::127.0.0.1]:80",
		"[64:ff9b::7f00:1]:80", "[64:ff9b::808:808]:80", "[64:ff9b:1::1]:80", "[100::1]:80", "[2001::1]:80", "[2001:20::1]:80", "[2001:db8::1]:80",
		"[2002:7f00:1::1]:80", "[2002:808:808::1]:80", "[3fff::1]:80", "[5f00::1]:80", "[4000::1]:80", "[fc00::1]:80", "[fd00:ec2::254]:80",
		"[fe80::1]:80", "[fe80::1%eth0]:80", "[fec0::1]:80", "[ff02::1]:80",
	}
	reached := errors.New("reached")
	dialer := net.Dialer{Control: func(string, string, syscall.RawConn) error { return reached }}
	check := func(address string, listed ...netip.Prefix) error {
		return guard(dialer, listed).ControlContext(context.Background(), "tcp", address, nil)
	}
	for _, address := range publicOnes {
		if err := check(address); err != reached {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range append(others, "", "127.0.0.1", "localhost:80", "example.com:80", "0x7f.1:80") {
		if _, denied := errors.AsType[*denial](check(address)); !denied {
			t.Errorf("%s is not denied", address)
		}
	}
	for _, address := range others {
		addr := plain(netip.MustParseAddrPort(address).Addr())
		if err := check(address, netip.PrefixFrom(addr, addr.BitLen())); err != reached {
			t.Errorf("%s, listed: %v", address, err)
		}
		if _, denied := errors.AsType[*denial](check(address, netip.PrefixFrom(addr.Next(), addr.BitLen()))); addr.Next().IsValid() && !denied {
			t.Errorf("%s is not denied when the next address is listed", address)
		}
	}
	// Both kinds of an embedder's control functions are called.
	dialer = net.Dialer{ControlContext: func(context.Context, string, string, syscall.RawConn) error { return reached }}
	if err := check("8.8.8.8:53"); err != reached {
		t.Error(err)
	}
	if _, denied := errors.AsType[*denial](check("10.0.0.1:53")); !denied {
		t.Error("an embedder's function replaces the policy's")
	}
	dialer = net.Dialer{}
	if err := check("8.8.8.8:53"); err != nil {
		t.Error(err)
	}
}
