package image

// system is how memories and images are kept: mapped on Linux, copied elsewhere.
type system interface {
	// String names the method, for people.
	String() string
	// reserve makes an empty region that can grow to limit bytes.
	reserve(limit uint64) (region, error)
	// freeze makes an image of what is in contents, which may change afterwards.
	freeze(contents []byte) (frozen, error)
}

// region is the memory of one instance.
type region interface {
	// bytes returns the region as it is.
	bytes() []byte
	// grow makes the region size bytes long, which is no less than it was. What is
	// new is zero. It returns the region, never nil unless there is an error.
	grow(size uint64) ([]byte, error)
	// shrink makes the region size bytes long, which is less than it was, and returns
	// it, never nil. Its contents are undefined until it is restored.
	shrink(size uint64) []byte
	// restore makes the contents those of the image, which has the region's length.
	// A region is restored to the same image each time.
	restore(frozen) error
	// save adds to the state what of the region differs from the image, and is no shorter
	// than it. Unless it is to be compact, more may be added.
	save(f frozen, s *State, compact bool)
	// load makes the contents those of the image and on top of it the state, which has the
	// region's length.
	load(f frozen, s *State) error
	// trim gives back the physical memory of what is equal to the image that the region
	// was last restored to; what is not is lost.
	trim()
	// reserved returns how much address space the region takes.
	reserved() uint64
	// private returns how much physical memory the region alone holds.
	private() (bytes uint64, ok bool)
	// release frees the region.
	release()
}

// frozen is the contents of an image. It may be used concurrently.
type frozen interface {
	contents() []byte
	release()
}

// Method tells in a few words how memories are kept and reset on this system.
func Method() string { return preferred().String() }
