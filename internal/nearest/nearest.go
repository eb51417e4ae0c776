// Package nearest proposes a word that there is in place of one that there is not.
package nearest

import (
	"fmt"

	"github.com/xrash/smetrics"
)

// Hint is the end of a message about an unknown word: it asks for the nearest of the known ones, the first of those that are equally near. It
// is empty if none is near.
func Hint(word string, known []string) string {
	best, score := "", 0.0
	for _, k := range known {
		if s := smetrics.JaroWinkler(word, k, 0.7, 4); s > score {
			best, score = k, s
		}
	}
	if score < 0.7 {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
