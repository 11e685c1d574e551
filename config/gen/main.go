// Command gen writes config/README.md, the option reference, from the comments and
// tags of config.go. Run it with: go generate ./config
package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"text/template"
)

//go:embed README.md.tmpl
var page string

func main() {
	text, err := generate("config.go")
	if err == nil {
		err = os.WriteFile("README.md", text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// section is one top-level group of options and becomes one table.
type section struct {
	Name    string // "" for the options outside of any group
	About   string
	Options []option
}

type option struct{ Path, Type, Default, Variable, Meaning string }

// generate returns the reference for the Config struct in a source file.
func generate(source string) ([]byte, error) {
	sections, err := read(source)
	if err != nil {
		return nil, err
	}
	tmpl, err := template.New("README.md").Parse(page)
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	var out bytes.Buffer
	if err := tmpl.Execute(&out, sections); err != nil {
		return nil, fmt.Errorf("write page: %w", err)
	}
	return out.Bytes(), nil
}

func read(source string) ([]section, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return nil, fmt.Errorf("read settings source: %w", err)
	}
	g := types(file)
	root, ok := g["Config"]
	if !ok {
		return nil, fmt.Errorf("%s has no struct Config", source)
	}
	sections := []section{{}}
	for _, f := range root.fields {
		if f.group == "" {
			sections[0].Options = append(sections[0].Options, g.option("", f))
			continue
		}
		sections = append(sections, section{f.name, about(g[f.group]), g.options(f.path(), f.group)})
	}
	return sections, nil
}

// structs maps each struct type of the file by name.
type structs map[string]structType

type structType struct {
	name, doc string
	fields    []field
}

type field struct {
	name, kind, group, doc, fallback string // group: the struct it holds, or ""
	many                             bool
}

// path is the field's name, with [] when it repeats.
func (f field) path() string {
	if f.many && f.group != "" {
		return f.name + "[]"
	}
	return f.name
}

// types finds the structs first and their fields after, since a field is a group
// only when its type is one of them.
func types(file *ast.File) structs {
	found, parsed := structs{}, map[string]*ast.StructType{}
	for _, decl := range file.Decls {
		d, ok := decl.(*ast.GenDecl)
		if !ok || d.Tok != token.TYPE {
			continue
		}
		for _, spec := range d.Specs {
			t := spec.(*ast.TypeSpec)
			if s, ok := t.Type.(*ast.StructType); ok {
				found[t.Name.Name] = structType{name: t.Name.Name, doc: d.Doc.Text()}
				parsed[t.Name.Name] = s
			}
		}
	}
	for name, s := range parsed {
		found.fill(name, s)
	}
	return found
}

func (g structs) fill(name string, s *ast.StructType) {
	t := g[name]
	for _, f := range s.Fields.List {
		raw, _ := strconv.Unquote(f.Tag.Value)
		tag := reflect.StructTag(raw)
		made := field{name: tag.Get("yaml"), doc: oneLine(f.Doc.Text()), fallback: tag.Get("default")}
		element := f.Type
		if array, ok := f.Type.(*ast.ArrayType); ok {
			made.many, element = true, array.Elt
		}
		made.kind = typeName(element)
		if _, ok := g[made.kind]; ok {
			made.group = made.kind
		}
		t.fields = append(t.fields, made)
	}
	g[name] = t
}

func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return typeName(e.X) + "." + e.Sel.Name
	}
	return fmt.Sprintf("%T", e)
}

// options lists the options of one struct and of the structs in it.
func (g structs) options(path, name string) []option {
	var list []option
	for _, f := range g[name].fields {
		if f.group == "" || f.doc != "" { // a list of groups has a comment of its own
			list = append(list, g.option(path, f))
		}
		if f.group != "" {
			list = append(list, g.options(path+"."+f.path(), f.group)...)
		}
	}
	return list
}

var words = map[string]string{
	"string": "text", "bool": "true or false", "int": "number", "uint8": "number", "uint32": "number",
	"Duration": "duration", "Secret": "secret", "DatabaseURL": "secret URL", "netip.Prefix": "address range",
}

func (g structs) option(path string, f field) option {
	o := option{Path: strings.TrimPrefix(path+"."+f.name, "."), Type: words[f.kind], Meaning: f.doc}
	switch {
	case f.group != "" && f.many:
		o.Type = "list"
	case f.group != "":
		o.Type = "group"
	case f.many:
		o.Type += ", list"
	}
	if f.fallback != "" {
		o.Default = "`" + f.fallback + "`"
	}
	settable := f.group == "" || o.Path == "secrets.keys"
	if settable && !strings.Contains(path, "[]") {
		o.Variable = "`CARDEA_" + strings.ToUpper(strings.ReplaceAll(o.Path, ".", "_")) + "`"
	}
	return o
}

// about is a struct's comment as prose: "Session is the …" becomes "The …".
func about(t structType) string {
	text := strings.TrimPrefix(oneLine(t.doc), t.name+" is ")
	return strings.ToUpper(text[:1]) + text[1:]
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
