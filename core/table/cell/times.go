package cell

import "time"

func isDate(k Kind, s string) bool {
	_, ok := Date(s)
	return ok && (k == Untyped || k == Text)
}

func isTime(k Kind, s string) bool {
	_, ok := Time(s)
	return ok && (k == Untyped || k == Text)
}

const secondsPerDay = 24 * 60 * 60

// Date reads YYYY-MM-DD as days since 1970.
func Date(s string) (days int32, ok bool) {
	if len(s) != len(time.DateOnly) || s[4] != '-' {
		return 0, false
	}
	day, ok := cutDate(s)
	return int32(day.Unix() / secondsPerDay), ok
}

// cutDate reads the date that s starts with, with dashes or slashes.
func cutDate(s string) (day time.Time, ok bool) {
	if len(s) < len(time.DateOnly) || s[4] != '-' && s[4] != '/' || s[7] != s[4] {
		return day, false
	}
	y, okY := digits(s[:4])
	m, okM := digits(s[5:7])
	d, okD := digits(s[8:10])
	if !okY || !okM || !okD {
		return day, false
	}
	day = time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
	return day, day.Day() == d && int(day.Month()) == m // else it was normalised
}

func digits(s string) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, true
}

// Timestamps outside these years do not fit 64 bits of nanoseconds, which most
// readers use.
const firstYear, lastYear = 1678, 2261

// Time reads a date, a T or blank, hours and minutes, and, where they are there, seconds,
// their fraction, and a zone. A date alone is its midnight, if it is written with dashes.
// The result is in microseconds since 1970. Time is called for every cell, which rules out
// trying a list of layouts with package time.
func Time(s string) (micros int64, ok bool) {
	day, ok := cutDate(s)
	if !ok || day.Year() < firstYear || day.Year() > lastYear {
		return 0, false
	}
	if len(s) == len(time.DateOnly) {
		return day.UnixMicro(), s[4] == '-'
	}
	if s[10] != 'T' && s[10] != ' ' {
		return 0, false
	}
	clock, rest, ok := cutClock(s[11:])
	if !ok {
		return 0, false
	}
	offset, ok := zone(rest)
	return day.UnixMicro() + clock - offset, ok
}

// cutClock reads HH:MM[:SS[.fraction]] as microseconds, and returns what follows.
func cutClock(s string) (micros int64, rest string, ok bool) {
	minutes, ok := hoursMinutes(s)
	if !ok {
		return 0, "", false
	}
	micros, rest = int64(minutes)*60_000_000, s[5:]
	if len(rest) < 3 || rest[0] != ':' {
		return micros, rest, true
	}
	seconds, ok := digits(rest[1:3])
	if !ok || seconds > 59 {
		return 0, "", false
	}
	micros, rest = micros+int64(seconds)*1_000_000, rest[3:]
	if len(rest) < 2 || rest[0] != '.' {
		return micros, rest, true
	}
	rest = rest[1:]
	place := int64(100_000)
	n := 0
	for ; n < len(rest) && rest[n] >= '0' && rest[n] <= '9'; n++ {
		micros += place * int64(rest[n]-'0')
		place /= 10
	}
	return micros, rest[n:], n > 0 && n <= 9
}

// hoursMinutes reads the HH:MM that s starts with.
func hoursMinutes(s string) (minutes int, ok bool) {
	if len(s) < 5 || s[2] != ':' {
		return 0, false
	}
	h, okH := digits(s[:2])
	m, okM := digits(s[3:5])
	return 60*h + m, okH && okM && h < 24 && m < 60
}

// zone reads Z, +HH:MM or -HH:MM as microseconds; nothing is UTC.
func zone(s string) (micros int64, ok bool) {
	if s == "" || s == "Z" {
		return 0, true
	}
	if len(s) != 6 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	minutes, ok := hoursMinutes(s[1:])
	micros = int64(minutes) * 60_000_000
	if s[0] == '-' {
		micros = -micros
	}
	return micros, ok
}
