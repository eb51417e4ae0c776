package image

import "testing"

// What the host holds for an instance counts beside its memory: against its own limit
// beyond the allowance, against the budget beyond 64 KiB, and in the ledger all of it.
func TestHold(t *testing.T) {
	const mib = 1 << 20
	budget, ledger := NewBudget(20*mib), &Ledger{}
	m, err := NewMemory(Config{Min: mib, Limit: 16 * mib, Total: 4 * mib, Budget: budget, Ledger: ledger})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Reallocate(mib) == nil {
		t.Fatal("it cannot have its minimum")
	}
	has := func(what string, used uint64, want string, wantRefusal GrowFailure) {
		t.Helper()
		got := ""
		ledger.Each(func(p Part, bytes uint64) { got += p.String() + " " + size(bytes) + ";" })
		if refusal := m.TakeGrowFailure(); budget.Used() != used || got != want || refusal != wantRefusal {
			t.Errorf("%s: %d used, %s, refused by %v; want %d, %s, %v", what, budget.Used(), got, refusal, used, want, wantRefusal)
		}
	}
	hold := func(p Part, n uint64, want bool) {
		t.Helper()
		if m.Hold(p, n) != want {
			t.Errorf("%d bytes of %s: not %t", n, p, want)
		}
	}
	hold(Tables, 64<<10, true)
	has("a little", mib, "memory 1024K;tables 64K;", NoGrowFailure)
	hold(Responses, 8*mib-64<<10, true)
	has("the allowance", 9*mib-64<<10, "memory 1024K;tables 64K;open responses 8128K;", NoGrowFailure)
	hold(Output, 3*mib, true)
	has("the limit", 12*mib-64<<10, "memory 1024K;tables 64K;open responses 8128K;output 3072K;", NoGrowFailure)
	hold(Output, 1, false)
	has("beyond it", 12*mib-64<<10, "memory 1024K;tables 64K;open responses 8128K;output 3072K;", HoldOverLimit)
	if m.Reallocate(2*mib) != nil {
		t.Error("the memory grew into what the host holds")
	}
	has("beyond it with memory", 12*mib-64<<10, "memory 1024K;tables 64K;open responses 8128K;output 3072K;", HoldOverLimit)
	m.ReleaseCall()
	has("after the call", mib, "memory 1024K;tables 64K;", NoGrowFailure)
	if m.Reallocate(4*mib) == nil {
		t.Error("the memory did not grow to the limit")
	}
	if !budget.Take(16*mib - 64<<10) {
		t.Fatal("the budget has less than it should")
	}
	hold(Details, 64<<10+1, false)
	has("beyond the budget", 20*mib-64<<10, "memory 4096K;tables 64K;", GrowOverBudget)
	hold(Details, 64<<10, true)
	budget.Give(16*mib - 64<<10)
	m.Close()
	has("closed", 0, "", NoGrowFailure)
	hold(Output, 1, false)
}

func size(n uint64) string {
	digits := ""
	for n >>= 10; n > 0; n /= 10 {
		digits = string(rune('0'+n%10)) + digits
	}
	return digits + "K"
}
