package task

import (
	"errors"
	"fmt"
	"strings"

	"github.com/wasmworker/wasmworker/guest-sdk/go/temporal"
)

// What the messages of a failure may say of errors that its chain of causes has no place
// for.
const (
	maxListed     = 10      // errors in one message
	maxListedSize = 512     // bytes of one of them
	maxListedAll  = 4 << 10 // bytes in all messages of a failure and its causes
)

// causesOf returns the error behind another one, and others that stand beside that:
// errors.Join and its like have several, of which a chain of causes holds the first.
func causesOf(err error) (others []error, cause error) {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil, errors.Unwrap(err)
	}
	for _, inner := range several.Unwrap() {
		switch {
		case inner == nil:
		case cause == nil:
			cause = inner
		default:
			others = append(others, inner)
		}
	}
	return others, cause
}

// listed adds others to a message that does not have their texts already, as that of
// errors.Join does. What it adds is taken from room.
func listed(message string, others []error, room *int) string {
	var texts []string
	known := 0 // errors that need no further word
	for i, other := range others {
		text := other.Error()
		if strings.Contains(message, text) {
			known++
			if known == i+1 && known >= 10*maxListed {
				return message // it has all of them, by all appearance: to go on would take long
			}
			continue
		}
		// whose text has its type
		if name := typeName(other); name != "" && !isApplicationError(other) {
			text = name + ": " + text
		}
		text = cut(text, maxListedSize)
		if len(texts) == maxListed || len(text) > *room {
			break
		}
		*room -= len(text)
		texts = append(texts, text)
	}
	if more := len(others) - known - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	if len(texts) == 0 {
		return message
	}
	return message + " (also: " + strings.Join(texts, "; ") + ")"
}

func isApplicationError(err error) bool {
	_, ok := err.(*temporal.ApplicationError)
	return ok
}
