package host

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/wasmworker/wasmworker/host/sandbox"
)

// buildIDSize is how many digits of a digest are a build id: enough to tell versions of one
// deployment apart, and few enough to be read.
const buildIDSize = 16

// BuildID returns the build id of the worker: that of the options, or the digest that
// [PluginOptions.BuildID] describes, 16 hexadecimal digits.
func (p *Plugin) BuildID() string { return p.buildID }

// digest is of all that a workflow of these modules depends on, and of nothing else.
func (p *Plugin) digest() string {
	var parts []string
	for _, w := range p.sandbox.Workflows() {
		parts = append(parts, w.Type+" "+w.Module.File().Digest)
	}
	if len(parts) == 0 {
		for _, m := range p.sandbox.Modules() {
			parts = append(parts, m.File().Digest)
		}
	}
	slices.Sort(parts)
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:])[:buildIDSize]
}

// version fills in what the worker's options leave open about its version. Without a build
// id the SDK would make a checksum of the whole program at each start.
func (p *Plugin) version(o *worker.Options) {
	d := &o.DeploymentOptions
	if !d.UseVersioning {
		//lint:ignore SA1019 it is deprecated for versioning, and names the build in histories
		o.BuildID = cmp.Or(o.BuildID, p.buildID)
		return
	}
	d.Version.BuildID = cmp.Or(d.Version.BuildID, p.buildID)
	if d.DefaultVersioningBehavior == workflow.VersioningBehaviorUnspecified {
		d.DefaultVersioningBehavior = workflow.VersioningBehaviorPinned
	}
}

// checkAutoUpgrade reports types that no module has.
func (p *Plugin) checkAutoUpgrade() error {
	var known []string
	for _, w := range p.sandbox.Workflows() {
		known = append(known, w.Type)
	}
	var errs []error
	for _, name := range p.options.AutoUpgrade {
		if !slices.Contains(known, name) {
			list := "no module has workflows"
			if len(known) > 0 {
				list = "the modules have " + strings.Join(known, ", ")
			}
			errs = append(errs, &sandbox.OptionError{Option: "AutoUpgrade", Err: fmt.Errorf("there is no workflow %q: %s", name, list)})
		}
	}
	return errors.Join(errs...)
}

// behavior is what becomes of the runs of a workflow when there is another version of the
// worker. Unspecified: what the worker's options say.
func (p *Plugin) behavior(workflowType string) workflow.VersioningBehavior {
	if slices.Contains(p.options.AutoUpgrade, workflowType) {
		return workflow.VersioningBehaviorAutoUpgrade
	}
	return workflow.VersioningBehaviorUnspecified
}
