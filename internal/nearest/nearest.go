// Package nearest proposes a word that there is in place of one that there is not.
package nearest

import (
	"fmt"
	"slices"

	"github.com/xrash/smetrics"
)

// renamed are words that files and commands of earlier versions may have, and what they
// are now.
var renamed = map[string]string{
	"policy":    "isolation",
	"max_units": "max_fuel",
	"max-units": "max-fuel",
	"units":     "fuel",
	"folder":    "directory",
	"cancelled": "canceled",
}

// Hint is the end of a message about an unknown word. It names what a word of earlier
// versions is called now, or asks for the nearest of the known ones: the first of those
// that are equally near. It is empty if none is near.
func Hint(word string, known []string) string {
	if now := renamed[word]; now != "" && slices.Contains(known, now) {
		return fmt.Sprintf("; it is %q now", now)
	}
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
