package cases

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/wasmworker/wasmworker/abi"
	"github.com/wasmworker/wasmworker/host/modules"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/host/replay"
	"github.com/wasmworker/wasmworker/internal/nearest"
)

// checkModule checks that the file fits its module.
func (d *decoder) checkModule(root *node, f *File) {
	at := func(key string) place {
		if n := root.get(key); n != nil {
			return n.at
		}
		return place{1, 1}
	}
	module, err := modules.Read(f.Module)
	if err != nil {
		hint := ""
		if root.get("module") == nil {
			hint = "; name another module with the key module"
		}
		d.fail(at("module"), "the module cannot be used: %v%s", err, hint)
		return
	}
	if f.Digest != "" && f.Digest != module.Digest {
		d.fail(at("digest"), "the cases are for another module: that of %s is sha256:%s; use the one that they were made with, or remove the digest to see whether this one does the same", f.Module, module.Digest)
	}
	if module.Kind == modules.KindWorkflow {
		d.workflowOnly(root, f, filepath.Base(f.Module))
	}
	imports := map[string]bool{}
	for _, imp := range module.Imports {
		if name, function := passthrough.Resolve(imp); name != "" {
			imports[name+" "+function] = true
		}
	}
	if !slices.ContainsFunc(module.Imports, func(imp modules.Import) bool {
		return imp.Module == abi.ModuleWASI && strings.HasPrefix(imp.Name, "path_")
	}) {
		without := func(n *node, key string) {
			if files := n.get(key); files != nil {
				d.fail(files.at, "%s imports none of WASI's functions for files (path_open and others), so it can neither read nor write any", filepath.Base(f.Module))
			}
		}
		without(root, "mounts")
		for _, c := range f.Cases {
			without(c.source, "files")
			if want := c.source.get("want"); want != nil {
				without(want, "files")
			}
		}
	}
	var names []string
	for name := range imports {
		names = append(names, callName(name))
	}
	slices.Sort(names)
	cases := root.get("cases").items
	for i, c := range f.Cases {
		n := cases[i]
		if c.Workflow != nil || module.Kind == modules.KindWorkflow {
			d.checkWorkflow(n, f, c, module)
			continue
		}
		if !slices.Contains(module.Exports, c.Activity.Type) {
			d.fail(n.get("activity").at, "%s has no activity %q%s; it has: %s", filepath.Base(f.Module), c.Activity.Type,
				nearest.Hint(c.Activity.Type, module.Exports), strings.Join(module.Exports, ", "))
		}
		check := func(name string, at place) {
			if !slices.Contains(names, name) {
				have := "it imports no passthrough modules"
				if len(names) > 0 {
					have = "it imports: " + strings.Join(names, ", ")
				}
				d.fail(at, "%s does not import %s, so it can never call it; %s", filepath.Base(f.Module), name, have)
			}
		}
		checkAll := func(list *node, calls []replay.Call) {
			for k, call := range calls {
				check(callName(call.Module+" "+call.Function), list.items[k].get("call").at)
			}
		}
		checkAll(n.get("calls"), c.Calls)
		if c.Want.Calls != nil {
			checkAll(n.get("want").get("calls"), *c.Want.Calls)
		}
		if c.Want.CallCounts != nil {
			counts := n.get("want").get("calls")
			for k, name := range counts.keys {
				module, function := d.function(name, counts.keyAt[k])
				check(callName(module+" "+function), counts.keyAt[k])
			}
		}
		if len(imports) == 0 {
			switch {
			case len(c.Activity.Faults) > 0:
				d.fail(n.get("faults").at, "%s imports no passthrough modules, so no call can have a fault", filepath.Base(f.Module))
			case c.Activity.Cancel.Calls > 0:
				d.fail(n.get("cancel").at, "%s imports no passthrough modules, so it makes no calls after which to cancel", filepath.Base(f.Module))
			}
		}
	}
}

// checkWorkflow checks that a case fits a module of workflows.
func (d *decoder) checkWorkflow(n *node, f *File, c *Case, module *modules.File) {
	base := filepath.Base(f.Module)
	switch {
	case module.Kind != modules.KindWorkflow:
		d.fail(n.get("workflow").at, "%s has activities and no workflows: write activity: %s", base, c.Workflow.Type)
	case c.Workflow == nil:
		d.fail(n.get("activity").at, "%s has workflows and no activities: write workflow: %s", base, c.Activity.Type)
	case !slices.Contains(module.Exports, c.Workflow.Type):
		d.fail(n.get("workflow").at, "%s has no workflow %q%s; it has: %s", base, c.Workflow.Type,
			nearest.Hint(c.Workflow.Type, module.Exports), strings.Join(module.Exports, ", "))
	}
}
