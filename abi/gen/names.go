package main

import (
	"fmt"
	"strconv"
	"strings"
)

// initialisms are words that Go and its SDK write in capitals.
var initialisms = map[string]string{"id": "ID", "url": "URL", "sql": "SQL", "json": "JSON", "etag": "ETag"}

// words splits CANCEL_REQUESTED, activity_id and MaxFailureSize into words in lower case.
func words(name string) []string {
	if strings.Contains(name, "_") || strings.ToUpper(name) == name || strings.ToLower(name) == name {
		return strings.Split(strings.ToLower(name), "_")
	}
	var list []string
	start := 0
	for i := 1; i <= len(name); i++ {
		upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
		if i == len(name) || upper(i) && (!upper(i-1) || i+1 < len(name) && !upper(i+1)) {
			list = append(list, strings.ToLower(name[start:i]))
			start = i
		}
	}
	return list
}

// pascal converts CANCEL_REQUESTED to CancelRequested.
func pascal(name string) string {
	var b strings.Builder
	for _, word := range words(name) {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// camel converts arg_read to argRead.
func camel(name string) string {
	p := pascal(name)
	return strings.ToLower(p[:1]) + p[1:]
}

// upper converts MaxFailureSize to MAX_FAILURE_SIZE. Snake converts it to
// max_failure_size.
func upper(name string) string { return strings.ToUpper(snake(name)) }
func snake(name string) string { return strings.Join(words(name), "_") }

// goName converts activity_id to ActivityID, and heartbeat_timeout_ms to
// HeartbeatTimeout.
func goName(f field) string {
	name := f.Name
	if f.Type == "milliseconds" {
		name = strings.TrimSuffix(name, "_ms")
	}
	var b strings.Builder
	for _, word := range words(name) {
		if capitals, ok := initialisms[word]; ok {
			b.WriteString(capitals)
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}

// plain returns a description without the marks of Markdown.
func plain(doc string) string { return strings.NewReplacer("`", "", "*", "").Replace(doc) }

// shift returns a number of bytes in a form that shows its size: 256 << 10.
func shift(n uint64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d << 20", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d << 10", n>>10)
	}
	return grouped(n, "_")
}

// grouped returns a number. Numbers of five and more digits have a separator between
// thousands.
func grouped(n uint64, separator string) string {
	s := fmt.Sprint(n)
	if len(s) < 5 {
		return s
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + separator + s[i:]
	}
	return s
}

func decimal(n int) string { return strconv.Itoa(n) }
