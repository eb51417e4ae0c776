package sandbox

import (
	"context"
	"fmt"
	"sync"
	"syscall"

	"github.com/tetratelabs/wazero"
)

// executableMemory returns why the system gives this process no memory that code can be
// run in, or nil: by SELinux, by systemd's MemoryDenyWriteExecute, or by
// prctl(PR_SET_MDWE). wazero's compiler panics then. It is asked once, by making a
// runtime, which has some code of its own: 0.1 ms.
var executableMemory = sync.OnceValue(func() (err error) {
	newRuntimes.Lock()
	defer newRuntimes.Unlock()
	defer func() {
		// A shortage of memory may pass. That, and whatever else there may be, each
		// module tells.
		if refused, ok := recover().(syscall.Errno); ok && refused != syscall.ENOMEM {
			err = fmt.Errorf("mprotect: %w", refused)
		}
	}()
	r := wazero.NewRuntimeWithConfig(context.Background(), wazero.NewRuntimeConfig())
	_ = r.Close(context.Background()) // it has nothing
	return nil
})
