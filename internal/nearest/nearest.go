// Package nearest proposes a known word in place of an unknown one.
package nearest

import (
	"fmt"
	"slices"

	"github.com/xrash/smetrics"
)

// renamed maps words of earlier versions' files and commands to their present form.
var renamed = map[string]string{
	"policy":    "isolation",
	"max_units": "max_fuel",
	"max-units": "max-fuel",
	"units":     "fuel",
	"folder":    "directory",
	"cancelled": "canceled",
}

// Hint returns the end of a message about an unknown word. It gives the present form of a
// word of earlier versions, or proposes the most similar of the known words, the first of
// equally similar ones. It is empty if no word is similar.
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
