package blobmod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"github.com/wasmworker/wasmworker/abi"
)

// stream is one operation, or the row of those of a reader or writer, with a context that
// ends with it.
type stream struct {
	m       *module
	what    string // for messages
	parent  context.Context
	ctx     context.Context
	cancel  context.CancelCauseFunc
	timeout time.Duration
	// closed when the step that began last has ended; a step can outlast its caller
	busy    chan struct{}
	r       *blob.Reader
	w       *blob.Writer
	release func() // called when all is closed
}

var errTimeout = errors.New("timeout")

func (m *module) stream(ctx context.Context, what string, access Access) *stream {
	s := &stream{m: m, what: what, parent: ctx, timeout: access.timeout(), release: func() {}}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	return s
}

// step runs a part of the stream's work for as long as the policy allows. Not all drivers
// look at their context at all times: a directory can be on a server that is gone, and an
// upload that failed tells its store so before it returns. So the work is left alone when
// the context ends, and the stream is good for nothing more but to be closed.
func (s *stream) step(work func(ctx context.Context) error) error {
	if s.ctx.Err() != nil {
		return s.failure(s.ctx.Err())
	}
	timer := time.AfterFunc(s.timeout, func() { s.cancel(errTimeout) })
	defer timer.Stop()
	type result struct {
		err      error
		panicked any
	}
	busy, done := make(chan struct{}), make(chan result, 1)
	s.busy = busy
	s.m.background.Go(func() {
		defer close(busy)
		var r result
		defer func() {
			r.panicked = recover()
			done <- r
		}()
		r.err = work(s.ctx)
	})
	select {
	case r := <-done:
		<-busy
		if r.panicked != nil {
			panic(r.panicked) // the host knows what to do with it
		}
		return s.failure(r.err)
	case <-s.ctx.Done():
		return s.failure(s.ctx.Err())
	}
}

// failure makes the error that the guest gets.
func (s *stream) failure(err error) error {
	if err == nil {
		return nil
	}
	if _, known := errors.AsType[abi.Errno](err); known {
		return err
	}
	switch {
	case s.parent.Err() != nil:
		return fmt.Errorf("%w: %s was aborted with its activity", abi.ECANCELED, s.what)
	case context.Cause(s.ctx) == errTimeout:
		return fmt.Errorf("%w: %s took more than the timeout of the blob policy, %s", abi.ETIMEDOUT, s.what, s.timeout)
	}
	return explain(s.what, err)
}

func (s *stream) idle() bool {
	if s.busy == nil {
		return true
	}
	select {
	case <-s.busy:
		return true
	default:
		return false
	}
}

// closePatience is how long Close waits for what most often takes no time: an unfinished
// upload that the store is told to forget.
const closePatience = 250 * time.Millisecond

// Close ends the stream. What takes longer goes on in the background.
func (s *stream) Close() error {
	idle := s.idle()
	if idle && s.r != nil {
		s.r.Close() //nolint:errcheck // nothing was written
		s.r = nil
	}
	s.cancel(nil) // before a writer is closed: it would store its object otherwise
	if idle && s.w == nil {
		s.release()
		return nil
	}
	closed := make(chan struct{})
	s.m.background.Go(func() {
		defer close(closed)
		if s.busy != nil {
			<-s.busy
		}
		if s.r != nil {
			s.r.Close() //nolint:errcheck
		}
		if s.w != nil {
			s.w.Close() //nolint:errcheck // it was canceled
		}
		s.release()
	})
	if idle { // the others have had their time
		patience := time.NewTimer(closePatience)
		defer patience.Stop()
		select {
		case <-closed:
		case <-patience.C:
		}
	}
	return nil
}

// reader reads an object in pieces.
type reader struct {
	*stream
	remaining int64 // bytes that are there
	failed    error // after which what comes next is not known any more
}

// next reads what comes next: as many bytes as the buffer has, which are not more than
// remain.
func (r *reader) next(buffer []byte) error {
	if r.failed == nil && len(buffer) > 0 {
		r.failed = r.step(func(context.Context) error {
			_, err := io.ReadFull(r.r, buffer)
			// the size came with the object, and so it is not its end
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = reason("it ended before its size")
			}
			return err
		})
		r.remaining -= int64(len(buffer))
	}
	return r.failed
}

// writer writes an object in pieces.
type writer struct {
	*stream
	size, most int64
	conflict   bool  // the object must not exist yet
	failed     error // after which nothing is written any more
}

func (w *writer) write(body []byte) error {
	if w.failed != nil {
		return w.failed
	}
	if w.size += int64(len(body)); w.size > w.most {
		w.failed = fmt.Errorf("%w: %s: the object is larger than max_object_bytes of the blob policy, %d", abi.EMSGSIZE, w.what, w.most)
		return w.failed
	}
	if len(body) > 0 {
		w.failed = w.step(func(context.Context) error {
			_, err := w.w.Write(body)
			return w.reason(err)
		})
	}
	return w.failed
}

// commit stores the object. The writer is good for nothing more but to be closed, however
// it went.
func (w *writer) commit() error {
	if w.failed != nil {
		return w.failed
	}
	return w.step(func(context.Context) error {
		err := w.w.Close()
		w.w = nil
		return w.reason(err)
	})
}

// reason tells what stores say to writers in particular.
func (w *writer) reason(err error) error {
	switch gcerrors.Code(err) {
	case gcerrors.FailedPrecondition, gcerrors.AlreadyExists:
		if w.conflict {
			return fmt.Errorf("%w: %s: there is an object of that key", abi.EEXIST, w.what)
		}
	case gcerrors.NotFound:
		return reason("the bucket does not exist, or not for this worker")
	}
	return err
}
