package wasip1

import (
	"os"
	"path"
	"time"
)

// view is what an activity sees of files in place of what the host's file system says
// about them, see [OpenMounts]. The methods of a nil one that note a change do
// nothing.
type view struct {
	start time.Time
	now   func() time.Time // asked with each change
	nodes map[node]*identity
	last  uint64 // of the numbers
}

// node is a file or a directory on the host. Both of them have one name at most, since
// guests cannot make links.
type node struct{ device, inode uint64 }

// identity is what a guest is told about one.
type identity struct {
	number   uint64 // in the order in which they are met, from 1
	modified time.Time
}

// of returns the identity of something, which may be changed.
func (v *view) of(device uint64, info os.FileInfo) *identity {
	inode, _ := inodeOf(info)
	if inode == 0 { // the host does not know, and so does the guest
		return &identity{0, v.start}
	}
	key := node{device, inode}
	id := v.nodes[key]
	if id == nil {
		v.last++
		id = &identity{v.last, v.start}
		v.nodes[key] = id
	}
	return id
}

func (v *view) describe(device uint64, info os.FileInfo) Info {
	id := v.of(device, info)
	_, links := inodeOf(info)
	d := Info{Mode: info.Mode(), Size: info.Size(), Modified: id.modified, Device: device, Inode: id.number, Links: links}
	if info.IsDir() { // whose size and links are as the file system has them
		d.Size, d.Links = 0, 1
	}
	return d
}

// chtimes notes when something was modified. The zero time changes nothing.
func (v *view) chtimes(device uint64, info os.FileInfo, modified time.Time) {
	if !modified.IsZero() {
		v.of(device, info).modified = modified
	}
}

// created notes that there is something new of a name in a directory. The host may have
// given it the inode of something that was removed.
func (v *view) created(dir *File, name string, info os.FileInfo) {
	if v == nil {
		return
	}
	v.last++
	inode, _ := inodeOf(info)
	v.nodes[node{dir.device, inode}] = &identity{v.last, v.now()}
	v.changed(dir, name)
}

// changed notes that what has a name in a directory came or went.
func (v *view) changed(dir *File, name string) {
	if v == nil {
		return
	}
	if info, err := dir.root.Stat(path.Dir(path.Clean(name))); err == nil {
		v.chtimes(dir.device, info, v.now())
	}
}
