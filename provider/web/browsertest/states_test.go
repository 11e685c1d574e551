package browsertest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cardea/provider"
	"cardea/provider/web/webtest"
)

// state is one thing that one page can show. The rules that hold for all pages are
// checked in every state: see rules_test.go.
type state struct {
	name   string
	route  string // the method and path that answers with it, as in routes.go; "" = none of the issuer's
	shows  string // selector of what makes it this state
	status int64
	reach  func(w *window, i *issuers)
}

// issuers are those that the states need, with different rules.
type issuers struct {
	*issuer         // a second factor is optional
	strict  *issuer // a second factor is required
	frugal  *issuer // one code in a quarter of an hour
	broken  *issuer // its database is closed
	session string  // cookie of somebody who had signed in there
	hard    string  // User ID that only customer service can open
	shelf   string  // serves what no issuer shows
}

func startAll(t testing.TB) *issuers {
	t.Helper()
	all := &issuers{
		issuer: start(t, noLimits), strict: start(t, noLimits, webtest.Policy(provider.SecondFactorRequired)), broken: start(t), shelf: shelf(t),
		frugal: start(t, noLimits, func(set *webtest.Settings) { set.People.Codes.PerQuarter = 1 }),
	}
	all.hard = all.newcomer().UserID
	for range 3 {
		all.lock(all.hard)
		all.Wait(31 * time.Minute)
	}
	all.apps()
	b := all.broken.Browser()
	b.SignIn(b.Get(all.broken.authorize(all.broken.app)), all.broken.newcomer().UserID, webtest.Password)
	all.session = b.Cookie("cardea-session")
	if err := all.broken.Store.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// origins are the addresses that the states may load from.
func (all *issuers) origins() []string {
	return []string{all.URL, all.client, all.strict.URL, all.strict.client, all.broken.URL, all.frugal.URL, all.shelf}
}

// states is every state of every page. TestEveryRouteHasAState says when one is missing.
func states() []state {
	return slices.Concat(signInStates, factorStates, enrolStates, centreStates, methodStates, generalStates)
}

// silent are the routes that never answer with a page of their own, and why.
var silent = map[string]string{
	"POST /language":                                       "comes back to the page it stood on",
	"POST /oauth2/authorize":                               "becomes the GET with the same parameters",
	"POST /oauth2/logout":                                  "becomes the GET with the same parameters",
	"POST /oauth2/logout/confirm":                          "leads to /signed-out",
	"POST /factor/recovery-codes/download":                 "answers with a file",
	"POST /security/recovery-codes/download":               "answers with a file",
	"POST /security/methods/add":                           "begins a sign-in",
	"POST /security/contact":                               "begins a sign-in",
	"POST /security/methods/{id:[A-Za-z0-9_-]{22}}/remove": "leads back to the list",
	"POST /security/devices/sign-out":                      "leads back to the list",
	"POST /security/devices/sign-out-others":               "leads back to the list",
	"POST /security/devices/forget":                        "leads back to the list",
	"POST /security/apps/remove":                           "leads back to the list",
	"POST /security/language":                              "leads back to the page",
	"POST /security/stay":                                  "is for script",
	"GET /.well-known/webauthn":                            "is for browsers",
	"GET /.well-known/change-password":                     "leads to /security/password",
	"GET /.well-known/passkey-endpoints":                   "is for password managers",
}

// TestEveryRouteHasAState reads the routes of pages out of routes.go.
func TestEveryRouteHasAState(t *testing.T) {
	t.Parallel()
	all, found := states(), pageRoutes(t)
	has := func(route string) bool {
		return slices.ContainsFunc(all, func(s state) bool { return s.route == route })
	}
	for _, route := range found {
		if has(route) == (silent[route] != "") {
			t.Errorf("%s: has a state: %t, is said to have none: %q. Add one to the states, so that the rules for all pages are checked on it.", route, has(route), silent[route])
		}
	}
	for _, s := range all {
		if !slices.Contains(found, s.route) && !strings.HasPrefix(s.route, "ANY ") {
			t.Errorf("state %s is of the route %s, which is not there", s.name, s.route)
		}
	}
	for route := range silent {
		if !slices.Contains(found, route) {
			t.Errorf("%s is not there: it need not be silent", route)
		}
	}
	if len(found) < 80 {
		t.Errorf("found only %d routes of pages: does routes.go look different now?", len(found))
	}
}

// pageRoutes are the method and path of every route in routes.go that may answer with
// a page.
func pageRoutes(t *testing.T) (found []string) {
	t.Helper()
	texts, calls := map[string]ast.Expr{}, []*ast.CallExpr(nil)
	files, err := filepath.Glob("../*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GenDecl:
				for _, spec := range n.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && n.Tok == token.CONST && len(v.Values) == len(v.Names) {
						for i, name := range v.Names {
							texts[name.Name] = v.Values[i]
						}
					}
				}
			case *ast.CallExpr:
				if filepath.Base(name) == "routes.go" {
					calls = append(calls, n)
				}
			}
			return true
		})
	}
	for _, c := range calls {
		if route := pageRoute(c, texts); route != "" {
			found = append(found, route)
		}
	}
	return found
}

// pageRoute is the method and path of the page that a call in routes.go adds, or "".
func pageRoute(c *ast.CallExpr, texts map[string]ast.Expr) string {
	verbs := map[string]string{"get": "GET", "step": "GET", "post": "POST", "view": "GET", "ask": "GET", "change": "POST"}
	name := ""
	switch f := c.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	switch {
	case name == "route" && len(c.Args) == 3 && callee(c.Args[2]) == "page":
		if verb, ok := c.Args[0].(*ast.SelectorExpr); ok {
			if path, ok := text(c.Args[1], texts); ok {
				return strings.ToUpper(strings.TrimPrefix(verb.Sel.Name, "Method")) + " " + path
			}
		}
	case slices.Contains(slices.Collect(maps.Keys(verbs)), name) && len(c.Args) >= 2:
		if path, ok := text(c.Args[0], texts); ok {
			return verbs[name] + " " + path
		}
	}
	return ""
}

// callee is the method that an expression calls, or "".
func callee(e ast.Expr) string {
	if c, ok := e.(*ast.CallExpr); ok {
		if f, ok := c.Fun.(*ast.SelectorExpr); ok {
			return f.Sel.Name
		}
	}
	return ""
}

// text is the value of a constant text, and whether e is one.
func text(e ast.Expr, texts map[string]ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		return text(texts[e.Name], texts)
	case *ast.BinaryExpr:
		left, ok1 := text(e.X, texts)
		right, ok2 := text(e.Y, texts)
		return left + right, ok1 && ok2
	}
	return "", false
}

// variable is a variable part of a route's path.
var variable = regexp.MustCompile(`\{[a-z]+:((?:[^{}]|\{[0-9]+\})+)\}`)

// answers tells whether a request is for a route, as routes.go writes it.
func answers(route, method, path string) bool {
	verb, pattern, _ := strings.Cut(route, " ")
	if verb == "ANY" {
		return true
	}
	return verb == method && regexp.MustCompile("^"+variable.ReplaceAllString(pattern, "(?:$1)")+"$").MatchString(path)
}
