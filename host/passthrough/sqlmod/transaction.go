package sqlmod

import (
	"context"
	"fmt"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// transaction is a session between begin and commit.
type transaction struct {
	name     string
	access   Access
	readOnly bool
	s        *session // nil: it has ended
	cursor   *cursor  // which is open, or nil
}

// Close implements [io.Closer], for the end of the activity.
func (t *transaction) Close() error {
	if t.s != nil {
		t.s.release()
		t.s, t.cursor = nil, nil
	}
	return nil
}

// running returns the transaction of a handle, if it can run a statement now.
func running(caller *passthrough.Call, handle uint32) (*transaction, error) {
	t, err := passthrough.Resource[*transaction](caller, handle)
	switch {
	case err != nil:
		return nil, err
	case t.cursor != nil:
		return nil, fmt.Errorf("%w: the transaction has a cursor open: close it, or fetch to its end", abi.EBUSY)
	}
	return t, nil
}

// begin is wasmworker:sql/v1 begin. A module that may only read gets a transaction that
// only reads.
func (m *module) begin(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	if err := checkIsolation(req.Isolation); err != nil {
		return nil, err
	}
	access, err := passthrough.PolicyOf[Policy](caller).check(req.Connection, false)
	if err != nil {
		return nil, err
	}
	t := &transaction{name: req.Connection, access: access, readOnly: req.ReadOnly || !access.Write}
	call := newCall(ctx, caller, t.name, access)
	defer call.cancel()
	if t.s, err = m.begun(call, TxOptions{ReadOnly: t.readOnly, MayWrite: access.Write, Isolation: req.Isolation}); err != nil {
		return nil, call.fail(err)
	}
	handle, err := caller.Open(t)
	if err != nil {
		return nil, err
	}
	return passthrough.EncodeFrame(map[string]uint32{"transaction": handle}, nil)
}

// commit is wasmworker:sql/v1 commit. Whatever comes of it, the transaction has ended
// then.
func (m *module) commit(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	t, err := running(caller, req.Transaction)
	if err != nil {
		return nil, err
	}
	defer passthrough.CloseResource[*transaction](caller, req.Transaction) //nolint:errcheck // there it is
	if t.readOnly {
		// there is nothing to commit, and rolling back takes back what does not count as
		// writing too
		return nil, nil
	}
	call := newCall(ctx, caller, t.name, t.access)
	defer call.cancel()
	return nil, call.fail(t.s.conn.End(call, true))
}

// rollback is wasmworker:sql/v1 rollback. It works for any transaction, so it need not
// wait for the database.
func (m *module) rollback(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	return nil, passthrough.CloseResource[*transaction](caller, req.Transaction)
}
