package temporal

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/wasmworker/wasmworker/guest-sdk/go/internal/bridge"
)

// SearchAttributeKey is the name of a search attribute with its type.
type SearchAttributeKey interface {
	GetName() string
	valueType() string
}

// SearchAttributeUpdate sets a search attribute, or removes it.
type SearchAttributeUpdate func(*SearchAttributes)

// SearchAttributes are search attributes with their types. The zero value has none.
type SearchAttributes struct{ values map[SearchAttributeKey]any } // nil: removed

type key[T any] struct{ name, typ string }

func (k key[T]) GetName() string   { return k.name }
func (k key[T]) valueType() string { return k.typ }

func (k key[T]) set(self SearchAttributeKey, value any) SearchAttributeUpdate {
	return func(s *SearchAttributes) {
		if s.values == nil {
			s.values = map[SearchAttributeKey]any{}
		}
		s.values[self] = value
	}
}

func get[T any](s SearchAttributes, k SearchAttributeKey) (value T, ok bool) {
	value, ok = s.values[k].(T)
	return value, ok
}

// SearchAttributeKeyString is the key of a text.
type SearchAttributeKeyString struct{ key[string] }

// SearchAttributeKeyKeyword is the key of a keyword.
type SearchAttributeKeyKeyword struct{ key[string] }

// SearchAttributeKeyBool is the key of a boolean.
type SearchAttributeKeyBool struct{ key[bool] }

// SearchAttributeKeyInt64 is the key of a whole number.
type SearchAttributeKeyInt64 struct{ key[int64] }

// SearchAttributeKeyFloat64 is the key of a number.
type SearchAttributeKeyFloat64 struct{ key[float64] }

// SearchAttributeKeyTime is the key of a time.
type SearchAttributeKeyTime struct{ key[time.Time] }

// SearchAttributeKeyKeywordList is the key of a list of keywords.
type SearchAttributeKeyKeywordList struct{ key[[]string] }

// NewSearchAttributeKeyString returns the key of a text.
func NewSearchAttributeKeyString(name string) SearchAttributeKeyString {
	return SearchAttributeKeyString{key[string]{name, "Text"}}
}

// NewSearchAttributeKeyKeyword returns the key of a keyword.
func NewSearchAttributeKeyKeyword(name string) SearchAttributeKeyKeyword {
	return SearchAttributeKeyKeyword{key[string]{name, "Keyword"}}
}

// NewSearchAttributeKeyBool returns the key of a boolean.
func NewSearchAttributeKeyBool(name string) SearchAttributeKeyBool {
	return SearchAttributeKeyBool{key[bool]{name, "Bool"}}
}

// NewSearchAttributeKeyInt64 returns the key of a whole number.
func NewSearchAttributeKeyInt64(name string) SearchAttributeKeyInt64 {
	return SearchAttributeKeyInt64{key[int64]{name, "Int"}}
}

// NewSearchAttributeKeyFloat64 returns the key of a number.
func NewSearchAttributeKeyFloat64(name string) SearchAttributeKeyFloat64 {
	return SearchAttributeKeyFloat64{key[float64]{name, "Double"}}
}

// NewSearchAttributeKeyTime returns the key of a time.
func NewSearchAttributeKeyTime(name string) SearchAttributeKeyTime {
	return SearchAttributeKeyTime{key[time.Time]{name, "Datetime"}}
}

// NewSearchAttributeKeyKeywordList returns the key of a list of keywords.
func NewSearchAttributeKeyKeywordList(name string) SearchAttributeKeyKeywordList {
	return SearchAttributeKeyKeywordList{key[[]string]{name, "KeywordList"}}
}

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyString) ValueSet(value string) SearchAttributeUpdate {
	return k.set(k, value)
}

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyString) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyKeyword) ValueSet(value string) SearchAttributeUpdate {
	return k.set(k, value)
}

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyKeyword) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyBool) ValueSet(value bool) SearchAttributeUpdate { return k.set(k, value) }

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyBool) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyInt64) ValueSet(value int64) SearchAttributeUpdate { return k.set(k, value) }

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyInt64) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyFloat64) ValueSet(value float64) SearchAttributeUpdate {
	return k.set(k, value)
}

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyFloat64) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute.
func (k SearchAttributeKeyTime) ValueSet(value time.Time) SearchAttributeUpdate {
	return k.set(k, value)
}

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyTime) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// ValueSet returns the update that sets the attribute. The values are copied.
func (k SearchAttributeKeyKeywordList) ValueSet(values []string) SearchAttributeUpdate {
	return k.set(k, slices.Clone(values))
}

// ValueUnset returns the update that removes the attribute.
func (k SearchAttributeKeyKeywordList) ValueUnset() SearchAttributeUpdate { return k.set(k, nil) }

// NewSearchAttributes returns the attributes that the updates make.
func NewSearchAttributes(attributes ...SearchAttributeUpdate) (s SearchAttributes) {
	for _, update := range attributes {
		update(&s)
	}
	return s
}

// Copy returns the update that sets all of these attributes.
func (s SearchAttributes) Copy() SearchAttributeUpdate {
	return func(to *SearchAttributes) {
		for k, v := range s.values {
			if to.values == nil {
				to.values = map[SearchAttributeKey]any{}
			}
			to.values[k] = v
		}
	}
}

// Size returns the number of attributes.
func (s SearchAttributes) Size() int { return len(s.values) }

// ContainsKey tells whether there is such an attribute, of that type.
func (s SearchAttributes) ContainsKey(k SearchAttributeKey) bool { return s.values[k] != nil }

// GetString returns a text, and whether it is there.
func (s SearchAttributes) GetString(k SearchAttributeKeyString) (string, bool) {
	return get[string](s, k)
}

// GetKeyword returns a keyword, and whether it is there.
func (s SearchAttributes) GetKeyword(k SearchAttributeKeyKeyword) (string, bool) {
	return get[string](s, k)
}

// GetBool returns a boolean, and whether it is there.
func (s SearchAttributes) GetBool(k SearchAttributeKeyBool) (bool, bool) { return get[bool](s, k) }

// GetInt64 returns a whole number, and whether it is there.
func (s SearchAttributes) GetInt64(k SearchAttributeKeyInt64) (int64, bool) { return get[int64](s, k) }

// GetFloat64 returns a number, and whether it is there.
func (s SearchAttributes) GetFloat64(k SearchAttributeKeyFloat64) (float64, bool) {
	return get[float64](s, k)
}

// GetTime returns a time, and whether it is there.
func (s SearchAttributes) GetTime(k SearchAttributeKeyTime) (time.Time, bool) {
	return get[time.Time](s, k)
}

// GetKeywordList returns a copy of a list of keywords, and whether it is there.
func (s SearchAttributes) GetKeywordList(k SearchAttributeKeyKeywordList) ([]string, bool) {
	list, ok := get[[]string](s, k)
	return slices.Clone(list), ok
}

func init() {
	bridge.Attributes = func(attributes any) (out []bridge.Attribute) {
		for k, v := range attributes.(SearchAttributes).values {
			out = append(out, bridge.Attribute{Name: k.GetName(), Type: k.valueType(), Value: v})
		}
		slices.SortFunc(out, func(a, b bridge.Attribute) int {
			if a.Name < b.Name {
				return -1
			}
			return 1
		})
		return out
	}
	bridge.NewAttributes = func(attributes []bridge.Attribute) any {
		var s SearchAttributes
		for _, a := range attributes {
			if update := updateOf(a); update != nil {
				update(&s)
			}
		}
		return s
	}
}

func updateOf(a bridge.Attribute) SearchAttributeUpdate {
	data, _ := a.Value.([]byte)
	switch a.Type {
	case "Text":
		return decoded(data, NewSearchAttributeKeyString(a.Name).ValueSet)
	case "Keyword":
		return decoded(data, NewSearchAttributeKeyKeyword(a.Name).ValueSet)
	case "Bool":
		return decoded(data, NewSearchAttributeKeyBool(a.Name).ValueSet)
	case "Int":
		return decoded(data, NewSearchAttributeKeyInt64(a.Name).ValueSet)
	case "Double":
		return decoded(data, NewSearchAttributeKeyFloat64(a.Name).ValueSet)
	case "Datetime":
		return decoded(data, NewSearchAttributeKeyTime(a.Name).ValueSet)
	case "KeywordList":
		return decoded(data, NewSearchAttributeKeyKeywordList(a.Name).ValueSet)
	}
	return nil
}

func decoded[T any](data []byte, set func(T) SearchAttributeUpdate) SearchAttributeUpdate {
	var value T
	if json.Unmarshal(data, &value) != nil {
		return nil
	}
	return set(value)
}
