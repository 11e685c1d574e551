package config

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The library parses; this file walks its tree instead of having it decode. Its
// decoder stops at the first fault, quotes the file in its messages and turns
// numbers into strings its own way (an octal-looking telephone number, for one).

// decodeFile sets c from the text of a settings file. False means that the text is
// not YAML, so that nothing was set.
func decodeFile(c *Config, text []byte, name string, f *faults) bool {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	d := decoder{name: name, faults: f}
	if !utf8.Valid(text) {
		f.add(name, "not UTF-8 text; save it as UTF-8")
		return false
	}
	if at, deep := tooDeep(text); deep {
		f.add(fmt.Sprintf("%s:%d", name, at), "nested too deeply; settings need only a few levels")
		return false
	}
	file, err := parse(text)
	if err != nil {
		d.syntax(err)
		return false
	}
	d.file(reflect.ValueOf(c).Elem(), file)
	return true
}

// parse turns a panic of the parser into an error: a broken file must not end the
// process with a stack trace instead of a reason.
func parse(text []byte) (file *ast.File, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the parser gave up")
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

const maxDepth = 64

// tooDeep bounds the recursion of the parser before it starts, and names the line.
// It does not know strings and comments from the rest: settings come nowhere near
// the limit with the brackets in those either.
func tooDeep(text []byte) (line int, deep bool) {
	line = 1
	depth, column, indent := 0, 0, true
	for _, b := range text {
		column++
		switch b {
		case '\n':
			line, column, indent = line+1, 0, true
		case '[', '{':
			depth++
		case ']', '}':
			depth = max(0, depth-1)
		}
		indent = indent && (b == ' ' || b == '-' || b == '?' || b == ':' || b == '\n')
		if depth > maxDepth || indent && column > 4*maxDepth {
			return line, true
		}
	}
	return 0, false
}

type decoder struct {
	name   string // of the file
	faults *faults
}

// at notes a fault at the token's line and column.
func (d decoder) at(t *token.Token, path, what string) {
	place := d.name
	if t != nil && t.Position != nil {
		place = fmt.Sprintf("%s:%d:%d", d.name, t.Position.Line, t.Position.Column)
	}
	if path != "" {
		place += ": " + path
	}
	d.faults.add(place, what)
}

// syntax keeps the position of a parser error and drops its message, which may
// quote the file.
func (d decoder) syntax(err error) {
	var t *token.Token
	var positioned yaml.Error
	if errors.As(err, &positioned) {
		t = positioned.GetToken()
	}
	d.at(t, "", "not valid YAML here or just above; check indentation (spaces, no tabs), quotes and colons")
}

func (d decoder) file(v reflect.Value, file *ast.File) {
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) > 1 {
		d.at(bodies[1].GetToken(), "", "a second YAML document; keep one")
	}
	if len(bodies) > 0 {
		d.value(v, "", bodies[0])
	}
}

// value sets v, which path names, from one node of any kind.
func (d decoder) value(v reflect.Value, path string, n ast.Node) {
	switch n := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.at(n.GetToken(), path, "anchors, aliases and tags are not supported; write the value out")
		return
	case *ast.CommentGroupNode:
		return
	}
	switch kindOf(v.Type()) {
	case group:
		d.mapping(v, path, n)
	case list:
		d.sequence(v, path, n)
	default:
		d.scalar(v, path, n)
	}
}

func (d decoder) mapping(v reflect.Value, path string, n ast.Node) {
	var entries []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.NullNode: // all its options are commented out
	case *ast.MappingNode:
		entries = n.Values
	case *ast.MappingValueNode:
		entries = []*ast.MappingValueNode{n}
	default:
		d.at(n.GetToken(), path, "not a group of options; write its options as indented \"name: value\" lines")
	}
	lines := map[string]int{} // where each key was first
	for _, entry := range entries {
		key, ok := entry.Key.(*ast.StringNode)
		at := entry.Key.GetToken()
		i, known := -1, false
		if ok {
			i, known = fieldOf(v.Type(), key.Value)
		}
		if !known {
			d.at(at, path, "unknown option; those known here are "+strings.Join(names(v.Type()), ", "))
			continue
		}
		inner := join(path, key.Value)
		if first, again := lines[key.Value]; again {
			d.at(at, inner, fmt.Sprintf("set twice, first on line %d; keep one", first))
			continue
		}
		lines[key.Value] = at.Position.Line
		d.value(v.Field(i), inner, entry.Value)
	}
}

func (d decoder) sequence(v reflect.Value, path string, n ast.Node) {
	if _, none := n.(*ast.NullNode); none {
		return
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok {
		d.at(n.GetToken(), path, "not a list; write one \"- \" line for each entry")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(seq.Values), len(seq.Values)))
	for i, n := range seq.Values {
		d.value(v.Index(i), fmt.Sprintf("%s[%d]", path, i), n)
	}
}

func (d decoder) scalar(v reflect.Value, path string, n ast.Node) {
	var text string
	switch n := n.(type) {
	case *ast.NullNode:
		d.at(n.GetToken(), path, "has no value; give one or remove the line")
		return
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value // as written: 0201 stays 0201
	default:
		d.at(n.GetToken(), path, "not a single value; write one after the colon")
		return
	}
	if err := setText(v, text); err != nil {
		d.at(n.GetToken(), path, err.Error())
	}
}

// The kinds of field in Config.
const (
	single = iota // set from one text
	group         // a struct with options of its own
	list
)

func kindOf(t reflect.Type) int {
	switch {
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
		return single
	case t.Kind() == reflect.Struct:
		return group
	case t.Kind() == reflect.Slice:
		return list
	}
	return single
}

// options visits every field of Config that is not a group, with its path.
func options(v reflect.Value, path string, visit func(path string, v reflect.Value, tag reflect.StructTag)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		inner := join(path, field.Tag.Get("yaml"))
		if kindOf(field.Type) == group {
			options(v.Field(i), inner, visit)
			continue
		}
		visit(inner, v.Field(i), field.Tag)
	}
}

func fieldOf(t reflect.Type, name string) (index int, found bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == name {
			return i, true
		}
	}
	return 0, false
}

func names(t reflect.Type) []string {
	var list []string
	for i := range t.NumField() {
		list = append(list, t.Field(i).Tag.Get("yaml"))
	}
	return list
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// setText sets one value of any single kind. Its errors never quote the text.
func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *netip.Prefix:
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return errors.New("not an address range; write one such as 10.0.0.0/8 or 192.0.2.7/32")
		}
		*p = prefix
		return nil
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	return setPlain(v, text)
}

func setPlain(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("neither true nor false; write one of them")
		}
		v.SetBool(text == "true")
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("not a whole number; write digits only")
		}
		v.SetInt(int64(n))
	case reflect.Uint8, reflect.Uint32:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return errors.New("not a whole number that fits; write a smaller one, digits only")
		}
		v.SetUint(n)
	default:
		return errors.New("cannot be set from a text") // a field kind that Config does not have
	}
	return nil
}
