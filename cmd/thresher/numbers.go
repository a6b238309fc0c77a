package main

import (
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
)

// decodeInteger reads a flag that is an integer, in decimal: kong's own mapper takes 010
// for 8.
func decodeInteger(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("integer")
	if err != nil {
		return err
	}
	n, err := strconv.ParseInt(fmt.Sprint(token.Value), 10, target.Type().Bits())
	if err != nil {
		return fmt.Errorf("%.40q: want an integer", fmt.Sprint(token.Value))
	}
	target.SetInt(n)
	return nil
}

// decodeNatural reads a flag that is an integer and not negative.
func decodeNatural(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("integer")
	if err != nil {
		return err
	}
	n, err := strconv.ParseUint(fmt.Sprint(token.Value), 10, target.Type().Bits())
	if err != nil {
		return fmt.Errorf("%.40q: want an integer from 0", fmt.Sprint(token.Value))
	}
	target.SetUint(n)
	return nil
}

// decodeDuration reads a flag that is a duration.
func decodeDuration(ctx *kong.DecodeContext, target reflect.Value) error {
	token, err := ctx.Scan.PopValue("duration")
	if err != nil {
		return err
	}
	d, err := time.ParseDuration(fmt.Sprint(token.Value))
	if err != nil {
		return fmt.Errorf("%.40q: want a duration with its unit, such as 30s, 5m or 1h30m", fmt.Sprint(token.Value))
	}
	target.SetInt(int64(d))
	return nil
}
