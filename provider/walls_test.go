package provider_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// walls says which of our own packages each package may import. What stands in no
// row may import nothing of ours. The doers (signin, oidc, directory, notify) do not
// know each other: web is where they meet.
var walls = map[string][]string{
	"storage":            {"provider"},
	"provider/signin":    {"provider", "storage"},
	"provider/oidc":      {"provider", "storage"},
	"provider/directory": {"provider", "storage"},
	"provider/notify":    {"provider", "storage", "login-ui"},
	"provider/web":       {"provider", "storage", "login-ui", "provider/signin", "provider/oidc", "provider/directory", "provider/notify"},
	"config/gen":         {"config"},
	"cmd/accountapp":     {"cmd/accountapp/site"},
	"cmd/cardea": {"provider", "storage", "login-ui", "config", "provider/signin", "provider/oidc", "provider/directory", "provider/notify",
		"provider/web", "cmd/accountapp/site"},
}

// owners are the only packages that may import what begins with these paths.
var owners = map[string]string{
	"github.com/ory/":         "provider/oidc",
	"github.com/pquerna/":     "provider/signin",
	"github.com/go-webauthn/": "provider/signin",
	"github.com/gorilla/":     "provider/web",
	"github.com/jmoiron/":     "storage",
}

// helpers are packages for tests only. They may import anything of ours.
var helpers = []string{"storage/storagetest", "provider/web/webtest", "provider/web/browsertest", "provider/signin/passkeytest"}

const (
	module       = "cardea/"
	root         = ".."
	longestFile  = 500                  // lines
	longestFunc  = 100                  // lines
	localLibrary = "provider/oidc/oryx" // a module of its own
)

func TestWalls(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	eachFile(t, func(file, pkg string, source *ast.File, set *token.FileSet) {
		seen[pkg] = true
		for _, spec := range source.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if broken := rule(pkg, imported); broken != "" {
				t.Errorf("%s:%d imports %s: %s", file, set.Position(spec.Pos()).Line, imported, broken)
			}
		}
	})
	for pkg := range walls {
		if !seen[pkg] && pkg != "provider/directory" && pkg != "provider/notify" {
			t.Errorf("the walls name %s, which has no Go file", pkg)
		}
	}
}

// rule is the rule that pkg breaks by importing imported, or "".
func rule(pkg, imported string) string {
	own, ours := strings.CutPrefix(imported, module)
	switch {
	case slices.Contains(helpers, pkg):
		return ""
	case imported == "testing" || ours && slices.Contains(helpers, own):
		return "only tests may use this"
	case ours && !slices.Contains(walls[pkg], own):
		return pkg + " may import of ours only: " + strings.Join(walls[pkg], " ")
	case pkg == "provider" && strings.Contains(imported, ".") && !strings.HasPrefix(imported, "golang.org/x/crypto/") && !strings.HasPrefix(imported, "golang.org/x/text/"):
		return "provider holds words and rules: std, x/crypto and x/text only"
	case pkg == "provider/signin" && imported == "net/http":
		return "signin knows nothing of HTTP"
	}
	for prefix, owner := range owners {
		if strings.HasPrefix(imported, prefix) && pkg != owner {
			return "only " + owner + " may"
		}
	}
	return ""
}

func TestSizes(t *testing.T) {
	t.Parallel()
	eachFile(t, func(file, _ string, source *ast.File, set *token.FileSet) {
		if lines := set.File(source.Pos()).LineCount(); lines > longestFile {
			t.Errorf("%s has %d lines: at most %d", file, lines, longestFile)
		}
		for _, decl := range source.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if lines := set.Position(f.End()).Line - set.Position(f.Pos()).Line + 1; lines > longestFunc {
				t.Errorf("%s: %s has %d lines: at most %d", file, f.Name.Name, lines, longestFunc)
			}
		}
	})
}

func TestTopLevel(t *testing.T) {
	t.Parallel()
	left := []string{"cmd", "config", "login-ui", "provider", "storage", "go.mod", "go.sum", "README.md"}
	ignored, err := os.ReadFile(filepath.Join(root, ".gitignore"))
	if err != nil {
		t.Fatal(err)
	}
	local := strings.Fields(strings.ReplaceAll(string(ignored), "/", ""))
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		name := entry.Name()
		i := slices.Index(left, name)
		switch {
		case i >= 0:
			left = slices.Delete(left, i, i+1)
		case !strings.HasPrefix(name, ".") && !slices.Contains(local, name):
			t.Errorf("%s does not belong at the top level: it has folders cmd config login-ui provider storage and files go.mod go.sum README.md", name)
		}
	}
	if len(left) > 0 {
		t.Errorf("missing at the top level: %s", strings.Join(left, " "))
	}
}

// eachFile parses every Go file that is not a test; pkg is its folder.
func eachFile(t *testing.T, visit func(file, pkg string, source *ast.File, set *token.FileSet)) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, name)
		file = filepath.ToSlash(file)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if file == localLibrary || file != "." && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "testdata" {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		set := token.NewFileSet()
		source, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		count++
		visit(file, path.Dir(file), source, set)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 50 {
		t.Fatalf("found only %d files", count)
	}
}
