// Package workercomponent would have the workflows that start and stop workers.
package workercomponent

import "go.uber.org/fx"

// Module provides none.
var Module = fx.Options()
