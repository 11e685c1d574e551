package loginui

import (
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"text/template/parse"
)

// parsePages builds one template set per page: the layout, the shared parts and the page's own "main".
// Every text key written out in a template must exist in l.
func parsePages(l *locale) (map[string]*template.Template, error) {
	shared, err := template.New("").ParseFS(files, "templates/layout.html", "templates/*parts.html")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || strings.HasSuffix(name, "parts") {
			continue
		}
		t, err := template.Must(shared.Clone()).ParseFS(files, file)
		if err != nil {
			return nil, fmt.Errorf("parse template %s: %w", file, err)
		}
		for _, key := range textKeys(t) {
			if !l.has(key) {
				return nil, fmt.Errorf("template %s: text key %q is not in locales/%s.json", file, key, l.lang)
			}
		}
		pages[name] = t
	}
	return pages, nil
}

// textKeys returns the literal keys of every {{.T "key"}} and {{.Paragraphs "key"}} in the set.
func textKeys(t *template.Template) []string {
	var keys []string
	for _, each := range t.Templates() {
		if each.Tree != nil {
			walk(each.Tree.Root, func(n parse.Node) { keys = append(keys, keyOf(n)...) })
		}
	}
	return keys
}

// keyOf returns the literal key when n calls T or Paragraphs.
func keyOf(n parse.Node) []string {
	c, ok := n.(*parse.CommandNode)
	if !ok || len(c.Args) < 2 {
		return nil
	}
	key, ok := c.Args[1].(*parse.StringNode)
	if !ok {
		return nil
	}
	var ident []string
	switch f := c.Args[0].(type) {
	case *parse.FieldNode:
		ident = f.Ident
	case *parse.VariableNode:
		ident = f.Ident
	}
	if len(ident) == 0 {
		return nil
	}
	switch ident[len(ident)-1] {
	case "T", "Paragraphs":
		return []string{key.Text}
	}
	return nil
}

// walk calls visit for n and every node below it.
func walk(n parse.Node, visit func(parse.Node)) {
	visit(n)
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, each := range n.Nodes {
			walk(each, visit)
		}
	case *parse.ActionNode:
		walk(n.Pipe, visit)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			walk(n.Pipe, visit)
		}
	case *parse.PipeNode:
		for _, c := range n.Cmds {
			walk(c, visit)
		}
	case *parse.CommandNode:
		for _, a := range n.Args {
			walk(a, visit)
		}
	case *parse.IfNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, visit)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, visit)
	}
}

func walkBranch(b *parse.BranchNode, visit func(parse.Node)) {
	walk(b.Pipe, visit)
	walk(b.List, visit)
	if b.ElseList != nil {
		walk(b.ElseList, visit)
	}
}
