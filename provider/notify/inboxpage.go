package notify

import (
	"crypto/sha256"
	"encoding/base64"
	"html/template"
)

const inboxStyle = `:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem}
article{border:1px solid GrayText;border-radius:.5rem;padding:.75rem 1rem;margin:1rem 0}
h2{font-size:1.1rem;margin:0 0 .25rem}
p{margin:.25rem 0}
pre{font:inherit;white-space:pre-wrap;overflow-wrap:anywhere;margin:.75rem 0 0}`

// inboxStyleHash lets the page's one style through its content security policy.
var inboxStyleHash = func() string {
	sum := sha256.Sum256([]byte(inboxStyle))
	return base64.StdEncoding.EncodeToString(sum[:])
}()

var inboxPage = template.Must(template.New("inbox").Parse(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
{{if .Live}}<meta http-equiv="refresh" content="5">
{{end}}<title>Inbox (demo)</title>
<style>{{.Style}}</style>
</head>
<body>
<header>
<h1>Inbox (demo)</h1>
<p>Every mail and text message that the demo would send. Newest first.</p>
<nav aria-label="Inbox">{{if .Live}}<a href="/">Stop reloading</a>{{else}}<a href="/?live=1">Reload every 5 seconds</a>{{end}}</nav>
</header>
<main>
{{range .Letters}}<article aria-labelledby="m-{{.ID}}">
<h2 id="m-{{.ID}}">{{if .Subject}}{{.Subject}}{{else}}Text message{{end}}</h2>
<p>{{if eq .Channel "sms"}}Text message{{else}}Mail{{end}} to {{.To}}, <time datetime="{{.Time.Format "2006-01-02T15:04:05Z07:00"}}">{{.Time.Format "15:04:05 MST"}}</time></p>
<pre lang="">{{.Body}}</pre>
</article>
{{else}}<p>No messages yet.</p>
{{end}}</main>
</body>
</html>
`))
