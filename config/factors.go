package config

import (
	"fmt"
	"net/mail"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

var factorKinds = []string{"passkey", "totp", "sms", "email", "recovery"}

var aaguid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

func (c Config) checkFactors(f *faults) {
	s := c.SignIn
	for i, kind := range s.Factors {
		path := fmt.Sprintf("sign_in.factors[%d]", i)
		f.choice(path, kind, factorKinds...)
		if slices.Index(s.Factors, kind) < i {
			f.add(path, "listed twice; keep one")
		}
	}
	offered := slices.DeleteFunc(slices.Clone(s.Factors), func(kind string) bool { return kind == "recovery" })
	if s.SecondFactor == "required" && len(offered) == 0 {
		f.add("sign_in.factors", "offers nothing although second_factor is required; list passkey or totp")
	}
	if s.SecondFactor == "required" && slices.Equal(offered, []string{"passkey"}) && c.PasskeyRPID() == "" {
		f.add("sign_in.factors", "offers passkeys only, which an issuer on an IP address cannot have; use a host name, or list totp")
	}
	if c.Profile == "psd2" {
		if time.Duration(s.Codes.Life) > 0 && slices.Contains(s.Factors, "email") {
			f.add("sign_in.factors", "lists email, which the psd2 profile rules out; remove it")
		}
		if c.Session.Idle.Std() > 5*time.Minute {
			f.add("session.idle", "longer than the 5m of the psd2 profile; shorten it, or set 0")
		}
	}
	c.checkPasskeys(f)
	f.between("sign_in.codes.per_quarter", s.Codes.PerQuarter, 1, 20)
	f.between("sign_in.codes.per_day", s.Codes.PerDay, s.Codes.PerQuarter, 100)
	f.between("sign_in.codes.per_address", s.Codes.PerAddress, 1, 10000)
	f.between("sign_in.codes.sms_per_hour", s.Codes.SMSPerHour, 1, 1_000_000)
	if len(s.Codes.Country) < 1 || len(s.Codes.Country) > 3 || strings.Trim(s.Codes.Country, "0123456789") != "" || s.Codes.Country[0] == '0' {
		f.add("sign_in.codes.country", "not a country calling code; write 1 to 3 digits, such as 46")
	}
}

func (c Config) checkPasskeys(f *faults) {
	p := c.SignIn.Passkeys
	issuer, err := url.Parse(c.Issuer)
	if err == nil && p.RPID != "" && issuer.Hostname() != p.RPID && !(strings.HasSuffix(issuer.Hostname(), "."+p.RPID) && strings.Contains(p.RPID, ".")) {
		f.add("sign_in.passkeys.rp_id", "not the issuer's host nor a domain above it; browsers would refuse it. Write one of them, or nothing")
	}
	if _, err := netip.ParseAddr(p.RPID); err == nil {
		f.add("sign_in.passkeys.rp_id", "an IP address, which no passkey can be bound to; write a domain")
	}
	for i, origin := range p.Origins {
		if _, what := parseIssuer(origin); what != "" {
			f.add(fmt.Sprintf("sign_in.passkeys.origins[%d]", i), what)
		}
	}
	for i, id := range p.AAGUIDs {
		if !aaguid.MatchString(id) {
			f.add(fmt.Sprintf("sign_in.passkeys.aaguids[%d]", i), "not an AAGUID; write 32 hexadecimal digits in lower case, in groups of 8-4-4-4-12")
		}
	}
}

func (c Config) checkMessages(f *faults) {
	m := c.Messages
	f.address("messages.desk", m.Desk)
	f.address("messages.smtp.from", m.SMTP.From)
	if m.SMTP.Host != "" {
		if m.SMTP.From == "" {
			f.add("messages.smtp.from", "required with host; write the address that messages come from")
		}
		if address, err := netip.ParseAddr(m.SMTP.Host); !hostName.MatchString(m.SMTP.Host) && (err != nil || address.Zone() != "") {
			f.add("messages.smtp.host", "not a host name or address; write one without scheme and port")
		}
		if m.SMTP.TLS == "none" && !loopback(m.SMTP.Host) {
			f.add("messages.smtp.tls", "none would send codes over the network in clear; use required")
		}
	}
	if m.SMTP.TLS == "opportunistic" && m.SMTP.Username != "" && !loopback(m.SMTP.Host) {
		f.add("messages.smtp.tls", "opportunistic with a username, so that whoever prevents TLS gets the password; use required or implicit")
	}
	f.between("messages.smtp.port", m.SMTP.Port, 1, 65535)
	f.choice("messages.smtp.tls", m.SMTP.TLS, "required", "implicit", "opportunistic", "none")
	if m.SMTP.Username == "" && (m.SMTP.Password.Reveal() != "" || m.SMTP.PasswordFile != "") {
		f.add("messages.smtp.username", "missing although a password is set; set both or neither")
	}
	if m.SMS.URL == "" {
		return
	}
	u, err := url.Parse(m.SMS.URL)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())) {
		f.add("messages.sms.url", "not an https address without user and fragment; write one (http is for loopback only)")
	}
	// A file has been read by now, if this comes from Load.
	if secret := m.SMS.Secret.Reveal(); len(secret) < 32 && (secret != "" || m.SMS.SecretFile == "") {
		f.add("messages.sms.secret", "missing or shorter than 32 characters; make one with: openssl rand -base64 32")
	}
}

func (f *faults) address(path, text string) {
	if address, err := mail.ParseAddress(text); text != "" && (err != nil || address.Address != text) {
		f.add(path, "not an e-mail address; write one such as help@example.com")
	}
}
