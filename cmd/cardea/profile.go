package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"cardea/provider"
)

// claim is one text of a profile: its flag ("" = only in a file), its name in OpenID
// Connect Core §5.1, and where it is.
type claim struct {
	flag, name, usage string
	value             *string
}

// claims are the texts of p, which must have an address.
func claims(p *provider.Profile) []claim {
	a := p.Address
	return []claim{
		{"name", "name", "full name", &p.Name},
		{"given-name", "given_name", "first name", &p.GivenName},
		{"family-name", "family_name", "last name", &p.FamilyName},
		{"middle-name", "middle_name", "middle name", &p.MiddleName},
		{"nickname", "nickname", "casual name", &p.Nickname},
		{"preferred-username", "preferred_username", "name the person wants to be called by", &p.PreferredUsername},
		{"profile-url", "profile", "address of the profile page", &p.ProfileURL},
		{"picture", "picture", "address of a portrait", &p.Picture},
		{"website", "website", "address of the person's own site", &p.Website},
		{"gender", "gender", "gender", &p.Gender},
		{"birthdate", "birthdate", "YYYY-MM-DD", &p.Birthdate},
		{"zoneinfo", "zoneinfo", "time zone, such as Europe/Stockholm", &p.Zoneinfo},
		{"email", "email", "e-mail address", &p.Email},
		{"phone", "phone_number", "telephone number, such as +46700000001", &p.PhoneNumber},
		{"", "address.formatted", "", &a.Formatted},
		{"street", "address.street_address", "street and number", &a.StreetAddress},
		{"postcode", "address.postal_code", "postal code", &a.PostalCode},
		{"locality", "address.locality", "town", &a.Locality},
		{"region", "address.region", "state or county", &a.Region},
		{"country", "address.country", "country", &a.Country},
	}
}

// profileFlags are a person's claims, from a file and flags.
type profileFlags struct {
	file                         string
	profile                      provider.Profile
	emailVerified, phoneVerified bool
}

func (f *profileFlags) bind(c *cobra.Command) {
	f.profile.Address = &provider.Address{}
	c.Flags().StringVar(&f.file, "profile-file", "", "JSON file with the standard claims; flags win over it")
	for _, one := range claims(&f.profile) {
		if one.flag != "" {
			c.Flags().StringVar(one.value, one.flag, "", one.usage)
		}
	}
	c.Flags().BoolVar(&f.emailVerified, "email-verified", false, "the e-mail address is known to be the person's")
	c.Flags().BoolVar(&f.phoneVerified, "phone-verified", false, "the telephone number is known to be the person's")
}

// read is the profile that file and flags make together, checked.
func (f *profileFlags) read(c *cobra.Command) (provider.Profile, error) {
	var p provider.Profile
	if f.file != "" {
		if err := readProfile(f.file, &p); err != nil {
			return p, fmt.Errorf("--profile-file: %w", err)
		}
	}
	if p.Address == nil {
		p.Address = &provider.Address{}
	}
	given := claims(&f.profile)
	for i, one := range claims(&p) {
		if one.flag != "" && c.Flags().Changed(one.flag) {
			*one.value = *given[i].value
		}
	}
	if c.Flags().Changed("email-verified") {
		p.EmailVerified = f.emailVerified
	}
	if c.Flags().Changed("phone-verified") {
		p.PhoneNumberVerified = f.phoneVerified
	}
	err := checkProfile(p)
	if *p.Address == (provider.Address{}) {
		p.Address = nil
	}
	return p, err
}

// maxProfileFile is the largest profile file, in bytes.
const maxProfileFile = 64 << 10

func readProfile(path string, p *provider.Profile) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	d := json.NewDecoder(io.LimitReader(file, maxProfileFile))
	d.DisallowUnknownFields()
	if err := d.Decode(p); err != nil {
		return fmt.Errorf("%s: %w; it must be a JSON object of at most 64 KiB with claims of OpenID Connect Core §5.1", path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: there is something behind the JSON object; keep one person's claims in the file", path)
	}
	return nil
}

// maxClaim is the longest claim, in characters.
const maxClaim = 255

// e164 is an international telephone number (ITU-T E.164).
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// checkProfile refuses claims that clients could not use. p must have an address.
func checkProfile(p provider.Profile) error {
	var f provider.Faults
	for _, one := range claims(&p) {
		checkText(&f, one)
	}
	must := func(ok bool, field, problem string) {
		if !ok {
			f.Add(field, "%s", problem)
		}
	}
	must(p.Email == "" || isEmail(p.Email), "email", "must be an address such as kim@example.com")
	must(p.Email != "" || !p.EmailVerified, "email_verified", "needs an email")
	must(p.PhoneNumber == "" || e164.MatchString(p.PhoneNumber), "phone_number", "must be written internationally, without spaces, such as +46700000001")
	must(p.PhoneNumber != "" || !p.PhoneNumberVerified, "phone_number_verified", "needs a phone_number")
	must(p.Birthdate == "" || isBirthdate(p.Birthdate), "birthdate", "must be a day of the past, written YYYY-MM-DD")
	must(isZone(p.Zoneinfo), "zoneinfo", "must be a time zone such as Europe/Stockholm")
	must(isAddress(p.ProfileURL), "profile", "must be an https or http address")
	must(isAddress(p.Picture), "picture", "must be an https or http address")
	must(isAddress(p.Website), "website", "must be an https or http address")
	return f.Err()
}

// checkText refuses what would not be one line of text; an address may have several.
func checkText(f *provider.Faults, one claim) {
	manyLines := one.name == "address.formatted" || one.name == "address.street_address"
	text := *one.value
	switch {
	case !utf8.ValidString(text):
		f.Add(one.name, "must be valid text")
	case utf8.RuneCountInString(text) > maxClaim:
		f.Add(one.name, "must be at most %d characters long", maxClaim)
	case strings.TrimSpace(text) != text:
		f.Add(one.name, "must not begin or end with a space")
	case strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) && !(manyLines && r == '\n') }):
		f.Add(one.name, "must not contain control characters")
	}
}

func isEmail(s string) bool {
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s
}

func isBirthdate(s string) bool {
	day, err := time.Parse(time.DateOnly, s)
	return err == nil && day.Before(time.Now())
}

func isZone(s string) bool {
	_, err := time.LoadLocation(s)
	return err == nil && s != "Local"
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return s == "" || err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil
}
