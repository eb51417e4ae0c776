package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite looks for interrupts where a statement jumps, and the expressions of a row have
// thousands of calls without one. So each of SQLite's own functions looks before it
// begins. They are changed in the tables of the process, where they keep what the planner
// knows of them: a LIKE that was added to a connection would use no index.

// builtin is a function of SQLite's own.
type builtin struct {
	name string
	call call
	most int64 // of the product of the lengths of its first two arguments; 0: any
}

// builtins are the functions that were changed, by the address of their definition.
// Nothing is added once the first is changed.
var builtins = map[uintptr]*builtin{}

// products are functions that compare the parts of one argument with each of the other's,
// with what their lengths may have for a product. They take a second at most.
var products = map[string]int64{
	"like":        1 << 28,
	"glob":        1 << 28,
	"json_patch":  1 << 30,
	"jsonb_patch": 1 << 30,
	"unhex":       1 << 27,
}

// interrupted ends a function of a statement that is interrupted.
func interrupted(tls *libc.TLS, ctx uintptr) bool {
	if sqlite3.Xsqlite3_is_interrupted(tls, sqlite3.Xsqlite3_context_db_handle(tls, ctx)) == 0 {
		return false
	}
	sqlite3.Xsqlite3_result_error_code(tls, ctx, sqlite3.SQLITE_INTERRUPT)
	return true
}

// callBuiltin is called in place of each.
func callBuiltin(tls *libc.TLS, ctx uintptr, n int32, args uintptr) {
	f := builtins[at[sqlite3.Tsqlite3_context](ctx).FpFunc]
	if interrupted(tls, ctx) {
		return
	}
	if f.most > 0 && n >= 2 {
		a, b := sqlite3.Xsqlite3_value_bytes(tls, argument(args, 0)), sqlite3.Xsqlite3_value_bytes(tls, argument(args, 1))
		if int64(a)*int64(b) > f.most {
			message := fmt.Sprintf("%s(): %d and %d bytes are too long for each other: their product may be %d", f.name, a, b, f.most)
			if p, err := libc.CString(message); err == nil {
				sqlite3.Xsqlite3_result_error(tls, ctx, p, -1)
				libc.Xfree(tls, p)
			}
			return
		}
	}
	f.call(tls, ctx, n, args)
}

var errOther = errors.New("this version of modernc.org/sqlite is not the one that the driver was made for")

// guarded changes the functions.
var guarded = sync.OnceValue(func() error {
	tls := libc.NewTLS()
	defer tls.Close()
	out := tls.Alloc(pointerSize)
	defer tls.Free(pointerSize)
	memory, err := libc.CString(":memory:")
	if err != nil {
		return err
	}
	defer libc.Xfree(tls, memory)
	if sqlite3.Xsqlite3_open(tls, memory, out) != sqlite3.SQLITE_OK {
		return errOther
	}
	db := pointer(out)
	defer sqlite3.Xsqlite3_close_v2(tls, db)
	list := compileOwn(tls, db, "SELECT DISTINCT name, narg FROM pragma_function_list WHERE builtin AND type = 's'")
	for list != 0 && sqlite3.Xsqlite3_step(tls, list) == sqlite3.SQLITE_ROW {
		name, args := libc.GoString(sqlite3.Xsqlite3_column_text(tls, list, 0)), sqlite3.Xsqlite3_column_int(tls, list, 1)
		counts := []int32{args}
		if args < 0 { // any number, of which some may have a definition of their own
			counts = []int32{1, 2, 3}
		}
		for _, n := range counts {
			guard(tls, db, name, int(n))
		}
	}
	sqlite3.Xsqlite3_finalize(tls, list)
	found := map[string]bool{}
	for _, f := range builtins {
		found[f.name] = true
	}
	for _, name := range []string{"like", "glob", "json_patch", "jsonb_patch", "unhex", "printf", "length"} {
		if !found[name] {
			return errOther
		}
	}
	for address := range builtins {
		at[sqlite3.TFuncDef](address).FxSFunc = functionPointer(callBuiltin)
	}
	return nil
})

func compileOwn(tls *libc.TLS, db uintptr, text string) (stmt uintptr) {
	p, err := libc.CString(text)
	if err != nil {
		return 0
	}
	defer libc.Xfree(tls, p)
	out := tls.Alloc(pointerSize)
	defer tls.Free(pointerSize)
	if sqlite3.Xsqlite3_prepare_v2(tls, db, p, -1, out, 0) != sqlite3.SQLITE_OK {
		return 0
	}
	return pointer(out)
}

// guard notes a function that is to be changed, which it finds in a statement that calls
// it. Functions that SQLite makes other things of than calls are not there.
func guard(tls *libc.TLS, db uintptr, name string, args int) {
	parameters := strings.TrimSuffix(strings.Repeat("?, ", args), ", ")
	stmt := compileOwn(tls, db, "SELECT \""+name+"\"("+parameters+")")
	if stmt == 0 {
		return
	}
	defer sqlite3.Xsqlite3_finalize(tls, stmt)
	vdbe := at[sqlite3.TVdbe](stmt)
	for i := range vdbe.FnOp {
		op := at[sqlite3.TVdbeOp](vdbe.FaOp + uintptr(i)*unsafe.Sizeof(sqlite3.TVdbeOp{}))
		if op.Fp4type != sqlite3.P4_FUNCCTX {
			continue
		}
		address := at[sqlite3.Tsqlite3_context](*(*uintptr)(unsafe.Pointer(&op.Fp4))).FpFunc
		def := at[sqlite3.TFuncDef](address)
		if builtins[address] != nil || libc.GoString(def.FzName) != name || def.FxSFunc == 0 || def.FxFinalize != 0 {
			continue
		}
		f := struct{ f uintptr }{def.FxSFunc}
		builtins[address] = &builtin{name, *(*call)(unsafe.Pointer(&f)), products[name]}
	}
}
