package provider

import (
	"net/mail"
	"strings"
	"unicode/utf8"
)

// NormalPhone is a typed telephone number in E.164 ("+46701234567"), or "" when it
// cannot be one. A number in national form, with one leading 0, gets countryCode
// ("46").
func NormalPhone(typed, countryCode string) string {
	var b strings.Builder
	for i, r := range strings.TrimSpace(typed) {
		switch {
		case r >= '0' && r <= '9', r == '+' && i == 0:
			b.WriteRune(r)
		case strings.ContainsRune(" -().\u00a0\u2011/", r):
		default:
			return ""
		}
	}
	number := b.String()
	switch {
	case strings.HasPrefix(number, "+"):
		number = number[1:]
	case strings.HasPrefix(number, "00"):
		number = number[2:]
	case strings.HasPrefix(number, "0"):
		number = countryCode + number[1:]
	default:
		return ""
	}
	if len(number) < 8 || len(number) > 15 || number[0] == '0' {
		return ""
	}
	return "+" + number
}

// NormalEmail is a typed e-mail address with its domain in lower case, or "" when it
// cannot be one: RFC 5321 addr-spec, no display name, no comment, at most 254 bytes.
func NormalEmail(typed string) string {
	typed = strings.TrimSpace(typed)
	parsed, err := mail.ParseAddress(typed)
	if err != nil || parsed.Address != typed || len(typed) > 254 || !utf8.ValidString(typed) || strings.ContainsAny(typed, "\r\n\"<>") {
		return ""
	}
	at := strings.LastIndexByte(typed, '@')
	domain := typed[at+1:]
	if !strings.Contains(strings.Trim(domain, "."), ".") || strings.ContainsAny(domain, "[]") {
		return ""
	}
	return typed[:at+1] + strings.ToLower(domain)
}

// MaskPhone shows the last two digits of a number: "••42".
func MaskPhone(number string) string {
	if len(number) < 4 {
		return "••"
	}
	return "••" + number[len(number)-2:]
}

// MaskEmail shows enough of an address for its owner to recognise it: "m•••@e•••.com".
func MaskEmail(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" {
		return "•••"
	}
	dot := strings.LastIndexByte(domain, '.')
	if dot < 1 {
		return first(local) + "•••@•••"
	}
	return first(local) + "•••@" + first(domain) + "•••" + domain[dot:]
}

func first(s string) string {
	_, size := utf8.DecodeRuneInString(s)
	return s[:size]
}
