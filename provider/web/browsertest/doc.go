// Package browsertest takes a real Chromium through every page and journey of the
// hosted pages. It holds tests only. They need the program chromium and, in
// .ci/node_modules, axe-core; .ci/test sees to both.
//
//	go test ./provider/web/browsertest -screens DIR
//
// also saves a picture of every state of every page.
package browsertest
