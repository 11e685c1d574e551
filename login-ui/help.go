package loginui

import "slices"

// HelpPage is one page of the help, usable signed out. GET /help and /help/{topic}.
type HelpPage struct {
	Base
	Topic string // one of HelpTopics, or "" for the index
}

// helpTopics in the order of the index, each with the items on its page. An item has the text keys
// help.{topic}.{item}.q (its heading) and .a (its paragraphs, one per line).
var helpTopics = []helpTopic{
	{"sign-in", []string{"cardnumber", "password", "code", "sent", "passkey", "phone", "locked", "letters", "cookies"}},
	{"security", []string{"address", "password", "codes", "device", "doubt"}},
	{"phishing", []string{"call", "message", "page", "never", "happened"}},
	{"contact", nil},
}

type helpTopic struct {
	name  string
	items []string
}

// HelpTopics returns the topics below /help, in the order of the index.
func HelpTopics() []string {
	var names []string
	for _, t := range helpTopics {
		names = append(names, t.name)
	}
	return names
}

func (*HelpPage) template() string { return "help" }

func (p *HelpPage) heading() phrase {
	if p.Topic == "" {
		return phrase{key: "help.title"}
	}
	return phrase{key: "help." + p.Topic + ".title"}
}

// Topics returns the topics for the index; none on a topic's own page.
func (p *HelpPage) Topics() []string {
	if p.Topic != "" {
		return nil
	}
	return HelpTopics()
}

// Items returns the key stems of the page's questions, such as "help.sign-in.code".
func (p *HelpPage) Items() []string {
	i := slices.IndexFunc(helpTopics, func(t helpTopic) bool { return t.name == p.Topic })
	if i < 0 {
		return nil
	}
	var stems []string
	for _, item := range helpTopics[i].items {
		stems = append(stems, "help."+p.Topic+"."+item)
	}
	return stems
}
