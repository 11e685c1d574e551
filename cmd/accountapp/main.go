// Command accountapp is the sample relying party; see README.md.
package main

import (
	"os"

	"cardea/cmd/accountapp/site"
)

func main() { os.Exit(site.Main(os.Args[1:], os.Stdout, os.Stderr)) }
