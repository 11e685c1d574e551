package loginui

import "strings"

// BrowserName is what people call the browser of a User-Agent header (RFC 9110 §10.1.5), such as "Firefox, Windows";
// "" when it is none that we know.
func BrowserName(userAgent string) string {
	browser, system := named(userAgent, browsers), named(userAgent, systems)
	if browser == "" || system == "" {
		return browser + system
	}
	return browser + ", " + system
}

// The order matters: most browsers claim to be others as well.
var (
	browsers = [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox", "Firefox"}, {"FxiOS", "Firefox"}, {"CriOS", "Chrome"}, {"Chrome", "Chrome"}, {"Safari", "Safari"}}
	systems  = [][2]string{{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Macintosh", "Mac"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"}}
)

func named(userAgent string, known [][2]string) string {
	for _, k := range known {
		if strings.Contains(userAgent, k[0]) {
			return k[1]
		}
	}
	return ""
}
