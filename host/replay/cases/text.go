package cases

import (
	"slices"
	"strings"
)

// text holds a file's lines.
type text []string

func textOf(data []byte) text { return strings.Split(string(data), "\n") }

// end returns the last line, from 1, of the item that begins on a line. The item ends
// before the first line that is indented less than the column. Empty lines and comments
// at its end do not belong to it.
func (t text) end(line, column int) int {
	last := line
	for i := line + 1; i <= len(t); i++ {
		bare := strings.TrimLeft(t[i-1], " ")
		if strings.TrimSpace(bare) == "" {
			continue
		}
		indent := len(t[i-1]) - len(bare)
		// A list may have the same indentation as its key.
		if indent == column-2 && (bare == "-" || strings.HasPrefix(bare, "- ")) {
			last = i
			continue
		}
		if indent < column-1 {
			if bare[0] == '#' { // comments may stand anywhere
				continue
			}
			break
		}
		if bare[0] != '#' || indent >= column {
			last = i
		}
	}
	return last
}

// replace replaces count lines, from the given line on, with a text of whole lines. Lines
// count from 1.
func (t text) replace(line, count int, with string) text {
	var lines []string
	if with != "" {
		lines = strings.Split(strings.TrimSuffix(with, "\n"), "\n")
	}
	if line > len(t) && len(t) > 0 && t[len(t)-1] != "" { // the file's last line has no line break
		lines = append(lines, "")
	}
	if line > len(t) && len(t) > 0 && t[len(t)-1] == "" {
		line = len(t)
	}
	return slices.Concat(t[:line-1], lines, t[line-1+count:])
}
