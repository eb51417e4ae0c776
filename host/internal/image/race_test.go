//go:build race

package image

// Each round takes a hundred times as long.
func init() { budgetRounds /= 20 }
