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
	s        *session // nil once the transaction has ended
	cursor   *cursor  // the open cursor, or nil
}

// Close implements [io.Closer]. It rolls back unless the transaction was committed. It
// also runs at the end of the activity.
func (t *transaction) Close() error {
	if t.s != nil {
		t.s.release()
		t.s, t.cursor = nil, nil
	}
	return nil
}

// running returns the transaction of a handle. The error is EBUSY while the transaction
// has an open cursor.
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

// begin is wasmworker:sql/v1 begin. A module without write gets a transaction that only
// reads.
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

// commit is wasmworker:sql/v1 commit. The transaction has ended afterward, even if the
// database reports an error. EBUSY leaves it open.
func (m *module) commit(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	t, err := running(caller, req.Transaction)
	if err != nil {
		return nil, err
	}
	defer passthrough.CloseResource[*transaction](caller, req.Transaction) //nolint:errcheck // the transaction was just found
	if t.readOnly {
		// There is nothing to commit. Rolling back also undoes changes that do not count
		// as writing.
		return nil, nil
	}
	call := newCall(ctx, caller, t.name, t.access)
	defer call.cancel()
	return nil, call.fail(t.s.conn.End(call, true))
}

// rollback is wasmworker:sql/v1 rollback. It does not wait for the database.
func (m *module) rollback(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	return nil, passthrough.CloseResource[*transaction](caller, req.Transaction)
}
