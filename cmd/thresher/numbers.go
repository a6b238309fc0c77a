package main

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// The flags that are numbers are read here: kong's own mappers take 010 for 8, and refuse in
// a decoder's words.
var (
	decodeInteger = decodes("integer", "an integer", func(text string, target reflect.Value) error {
		n, err := strconv.ParseInt(text, 10, target.Type().Bits())
		target.SetInt(n)
		return err
	})
	decodeNatural = decodes("integer", "an integer from 0", func(text string, target reflect.Value) error {
		n, err := strconv.ParseUint(text, 10, target.Type().Bits())
		target.SetUint(n)
		return err
	})
	decodeDuration = decodes("duration", "a duration with its unit, such as 30s, 5m or 1h30m", func(text string, target reflect.Value) error {
		d, err := time.ParseDuration(text)
		target.SetInt(int64(d))
		return err
	})
)

// decodes reads a flag of a kind by a function, and says what it wants where that fails.
func decodes(kind, want string, read func(text string, target reflect.Value) error) kong.MapperFunc {
	return func(ctx *kong.DecodeContext, target reflect.Value) error {
		token, err := ctx.Scan.PopValue(kind)
		if err != nil {
			return err
		}
		text := fmt.Sprint(token.Value)
		if err := read(text, target); err != nil {
			return fmt.Errorf("%.40q: want %s", text, want)
		}
		return nil
	}
}
