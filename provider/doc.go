// Package provider is the vocabulary of Cardea and its pure rules: what a client,
// an account, a session, a sign-in, a grant and a lockout lane are, and what
// follows from their values. It reads no clock, no database and no request. It
// imports the standard library, x/crypto (Argon2id) and x/text (Unicode), nothing
// else.
//
// This page is also the map of the house.
//
// # Layers
//
// Vocabulary at the bottom, one deep store on it, the doers beside each other, one
// web package on top, wiring in cmd. Read "<-" as "is imported by":
//
//	provider <- storage <- {signin, oidc, notify} <- web <- cmd/cardea
//	login-ui <- {notify, web}        config <- cmd/cardea only
//
// The doers never import each other; web is where they meet. Some libraries have
// one importer: fosite is known to oidc alone, pquerna/otp and
// go-webauthn to signin, gorilla/mux to web, sqlx to storage. walls_test.go keeps all of this true.
//
//	provider          words and rules
//	provider/signin   who somebody is: password, second factor, lockout, session; no net/http
//	provider/oidc     the protocol: requests, codes, tokens, keys, userinfo, logout requests
//	provider/notify   delivers the outbox
//	provider/web      every route, cookies, forms, errors as pages
//	storage           one store for SQLite and PostgreSQL
//	login-ui          pages, texts and styles
//	config            the settings of one process
//	cmd/cardea        the binary: serve, demo, administration
//	cmd/accountapp    a sample relying party, which knows Cardea through OpenID Connect only
//
// # A sign-in travels
//
//  1. GET /oauth2/authorize: oidc.Begin checks the request. signin.Next asks
//     NextStep whether the browser's session is enough. If it is, oidc.Finish
//     issues the code at once; under prompt=none the step's error goes back.
//     Otherwise signin.Start keeps the request in a SignIn row, bound to the browser
//     by a cookie, and the browser goes to the step's page.
//  2. POST /signin: the lockout lane counts the attempt, then the password is
//     hashed, with a core left free for tokens, then one transaction writes what follows from it
//     with its audit event: the proof, the device, a new browser token, the session
//     when nothing but consent is left.
//  3. Every page ends in web's advance: load the row, ask NextStep, go there. Pages
//     do not know each other.
//  4. POST /signin/verify/totp: one conditional UPDATE on the last used time step
//     makes a code good once.
//     A passkey, a code that was sent and a recovery code have pages of their own;
//     each is good once by the same means, and all count their failures together.
//  5. When NextStep says StepDone, one transaction deletes the row and stores the
//     code. After a form the browser gets a page that leads on to the client,
//     because form-action 'self' forbids the redirect; after a GET a 303.
//  6. POST /oauth2/token: oidc authenticates the client, runs fosite with a unit of
//     work in the context, and flushes it once: one transaction, the
//     compare-and-swap first. Zero rows means invalid_grant.
//
// What somebody changes about their factors and contacts is such a sign-in too, into
// the security centre, which is a client of our own without tokens: it begins with a
// recent proof or asks for one, and its task is a step before the end. The rest of the
// centre lives on the session: signin.Owner tells whose it is, and what changes
// something fails with Reauthenticate when the last proof is too old.
//
// # Decisions that differ from the first design
//
//   - provider may import x/text, because User IDs and passwords are compared in
//     Unicode normal form C and folded.
//   - storage knows the dialect in two files, sqlite.go and postgres.go, between
//     which Open in storage.go chooses, so that none grows too long.
//   - The clients' snapshot is held by storage, not by oidc: signin and web need
//     clients too.
//   - A POST to the authorization or logout endpoint comes from the client's page,
//     without our SameSite=Lax cookies, and is answered with a 303 to the same
//     request by GET, which carries them.
//   - The security centre is a client of our own that gets no tokens, see above: a
//     code that we sent to ourselves would prove nothing that the session does not.
//   - A device is trusted for 30 days, not 90, and the page says so.
//   - A second factor alone, added to an older session, moves no auth_time: who finds
//     a session open would otherwise need no more than the owner's mail to change the
//     account, or to meet a client's max_age.
//   - Sessions and grants keep methods, which tell more than amr does; amr is what is
//     asserted of them.
package provider
