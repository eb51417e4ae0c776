package sqlmod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/passthrough"
)

// cursor is a query that has rows left. It is done when its session is nil.
type cursor struct {
	name   string
	access Access
	s      *session     // nil once the cursor has ended
	tx     *transaction // nil if the session is the cursor's own
	commit bool         // commit at the end of the rows
	rows   Rows
	next   []any // a row that was read ahead to see whether there is one
	count  int64
}

// Close implements [io.Closer]. It runs at the end of the activity. The guest's
// transaction, if any, is closed right after it.
func (c *cursor) Close() error {
	if c.s != nil && c.tx == nil {
		c.s.release()
	}
	c.s = nil
	return nil
}

// query is wasmworker:sql/v1 query.
func (m *module) query(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, statement, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c := &cursor{name: req.Connection}
	if req.Transaction != 0 {
		if c.tx, err = running(caller, req.Transaction); err != nil {
			return nil, err
		}
		c.name, c.access, c.s = c.tx.name, c.tx.access, c.tx.s
	} else if c.access, err = passthrough.PolicyOf[Policy](caller).check(req.Connection, false); err != nil {
		return nil, err
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	if c.tx == nil {
		c.commit = c.access.Write
		if c.s, err = m.begun(call, TxOptions{ReadOnly: !c.access.Write, MayWrite: c.access.Write, Single: true}); err != nil {
			return nil, call.fail(err)
		}
	}
	kept := false
	defer func() {
		if !kept { // after an error or a panic; closing an ended cursor does nothing
			c.Close() //nolint:errcheck // Close returns no error
		}
	}()
	if c.rows, err = c.s.query(call, statement); err != nil {
		return nil, call.fail(err)
	}
	columns := slices.Clone(c.rows.Columns())
	if columns == nil {
		columns = []Column{}
	}
	return c.batch(call, req.MaxRows, result{Columns: columns}, func() (uint32, error) {
		handle, err := caller.Open(c)
		if kept = err == nil; kept && c.tx != nil {
			c.tx.cursor = c
		}
		return handle, err
	}, func() {})
}

// fetch is wasmworker:sql/v1 fetch.
func (m *module) fetch(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c, err := openCursor(caller, req.Cursor)
	if err != nil {
		return nil, err
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	return c.batch(call, req.MaxRows, result{}, func() (uint32, error) { return req.Cursor, nil }, func() {
		passthrough.CloseResource[*cursor](caller, req.Cursor) //nolint:errcheck // it has ended
	})
}

// openCursor returns the cursor of a handle. The error is EBADF if there is none, or if
// its transaction has ended.
func openCursor(caller *passthrough.Call, handle uint32) (*cursor, error) {
	c, err := passthrough.Resource[*cursor](caller, handle)
	if err == nil && (c.s == nil || c.tx != nil && c.tx.s == nil) {
		err = fmt.Errorf("%w: the transaction of the cursor has ended", abi.EBADF)
	}
	return c, err
}

// batch reads rows and returns the encoded response. It calls keep if the cursor has more
// rows, and drop if the cursor has ended.
func (c *cursor) batch(call *call, most int64, head result, keep func() (uint32, error), drop func()) ([]byte, error) {
	b, more, err := c.read(call, most)
	if err == nil && more {
		head.Cursor, err = keep()
	} else {
		if end := c.end(call, err == nil); err == nil {
			err = end
		}
		drop()
	}
	if err != nil {
		return nil, call.fail(err)
	}
	head.Rows = b.json()
	return passthrough.EncodeFrame(head, b.body)
}

// read reads no more than most rows, and about batchBytes. It reports whether there are
// more rows. The error is EMSGSIZE if the query exceeds the policy's max_rows or
// max_row_bytes.
func (c *cursor) read(call *call, most int64) (b *batch, more bool, err error) {
	b = newBatch()
	if rows, ok := c.rows.(Expecting); ok {
		rows.Expect(int(min(most, c.access.maxRows(), math.MaxInt32)))
	}
	for n := int64(0); ; n++ {
		row := c.next
		if c.next = nil; row == nil {
			row, err = c.rows.Next(call)
		}
		switch {
		case errors.Is(err, io.EOF):
			return b, false, nil
		case err != nil:
			return nil, false, err
		case n == most || b.size() >= batchBytes:
			c.next = row
			return b, true, nil
		}
		if c.count++; c.count > c.access.maxRows() {
			return nil, false, fmt.Errorf("%w: the query has more rows than max_rows of the sql policy, %d", abi.EMSGSIZE, c.access.maxRows())
		}
		if size := rowSize(row); size > c.access.maxRowBytes() {
			return nil, false, fmt.Errorf("%w: a row has %d bytes, and max_row_bytes of the sql policy is %d", abi.EMSGSIZE, size, c.access.maxRowBytes())
		}
		if err := b.add(row); err != nil {
			return nil, false, err
		}
	}
}

// end ends a cursor unless it has ended. If well is true, the cursor's own transaction is
// committed: the guest has its rows, or does not want them.
func (c *cursor) end(call *call, well bool) error {
	if c.s == nil {
		return nil
	}
	s := c.s
	c.s = nil
	if c.tx != nil {
		c.tx.cursor = nil
		return s.skip(call)
	}
	defer s.release()
	if !well || !c.commit {
		return nil // release rolls back in the background
	}
	if err := s.skip(call); err != nil {
		return err
	}
	return s.conn.End(call, true)
}

// closeCursor is wasmworker:sql/v1 close.
func (m *module) closeCursor(ctx context.Context, caller *passthrough.Call, frame []byte) ([]byte, error) {
	req, _, err := decode(frame)
	if err != nil {
		return nil, err
	}
	c, err := passthrough.Resource[*cursor](caller, req.Cursor)
	if err != nil {
		return nil, err
	}
	defer passthrough.CloseResource[*cursor](caller, req.Cursor) //nolint:errcheck // the cursor was just found
	if c.tx != nil && c.tx.s == nil {
		return nil, nil // the cursor ended with its transaction
	}
	call := newCall(ctx, caller, c.name, c.access)
	defer call.cancel()
	return nil, call.fail(c.end(call, true))
}
